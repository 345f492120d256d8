// The same functions and classes as for `require`, and the one default broadcaster.
import library from "./index.js";

export const {
  Broadcaster,
  BroadcasterError,
  ClosedError,
  ConfigurationError,
  InvalidArgumentError,
  MemoryRegistry,
  MessageError,
  RefusedError,
  RegistryError,
  UnavailableError,
  authorizeSubscription,
  broadcast,
  broadcastAdminEvent,
  closeBroadcaster,
  disconnectConnection,
  getConnection,
  initBroadcaster,
  registerConnection,
  sendToConnection,
  unregisterConnection,
} = library;
