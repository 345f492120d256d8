"""The synchronous face: one object that knows the endpoint, the registry and the sender."""

from collections.abc import Collection
from typing import Any

from .channels import check_channel
from .connections import check_connection_id
from .endpoint import resolve_endpoint
from .errors import ClosedError, RegistryError
from .messages import encode
from .registries import Registry
from .registries.choose import make_registry
from .registries.listeners import Listeners
from .results import BroadcastResult
from .sending.sender import make_sender
from .subscription_secret import SubscriptionSecret

ADMIN_CHANNEL = "admin"
ADMIN_EVENT = "admin_event"


class Broadcaster:
    """Pushes events to the browsers that are connected to one stage of one WebSocket API.

    Safe to use from any number of threads, and after `fork`. No credentials are looked for and no connection is opened
    before the first broadcast that has somebody to reach.

    Args:
        api_id: the API's id, e.g. `abc123xyz`.
        region: e.g. `us-east-1`; without it, read from `endpoint_url`, `AWS_REGION` or `AWS_DEFAULT_REGION`.
        stage: the stage's bare name.
        endpoint_url: `https://host/stage` of a custom domain or a local gateway. Wins over `api_id`, and so does AWS's
            variable `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`.
        registry: who is connected: a registry, which `close` leaves open, or the URL of one, `redis://host:6379/0`,
            `rediss://…`, `dynamodb://table-name?region=us-east-1`. Without it, the variable `BROADCASTER_REGISTRY` or
            a `MemoryRegistry`, which suits a backend of one process.
        secret: what `authorize_subscription` signs with: the secret or its ARN in Secrets Manager. Without it, the
            variable `BROADCASTER_SECRET`; nothing is read before the first signature.
        sender: `"engine"` or `"boto3"` to choose what carries the posts; without it, boto3 where a proxy is in force.
        concurrency: requests in flight at once, for each broadcast.
        timeout: seconds for one request, and as many for opening a connection.
        attempts: posts to one connection at most, the first included.
        deadline: seconds for a whole broadcast; whom it did not reach by then counts as failed.
        rate: requests per second over all broadcasts; by default just under AWS's quota.
        verify: whether to check the server's certificate, or the path of a CA bundle to check it with.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """

    def __init__(
        self,
        api_id: str | None = None,
        *,
        region: str | None = None,
        stage: str = "production",
        endpoint_url: str | None = None,
        registry: Registry | str | None = None,
        secret: str | None = None,
        sender: str | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        deadline: float | None = None,
        rate: float | None = None,
        verify: bool | str = True,
    ) -> None:
        endpoint = resolve_endpoint(api_id, region=region, stage=stage, endpoint_url=endpoint_url)
        self._sender = make_sender(
            endpoint,
            kind=sender,
            concurrency=concurrency,
            timeout=timeout,
            attempts=attempts,
            deadline=deadline,
            rate=rate,
            verify=verify,
        )
        self._registry, self._owns_registry = make_registry(registry)
        self._secret = SubscriptionSecret(secret)
        self._is_closed = False

    def register_connection(self, connection_id: str, *, channels: Collection[str] | None = None) -> None:
        """Let a connection receive what is broadcast on `channels`, or everything when that is None.

        Registrations of one connection add up. Each keeps it for a little over two hours, which no connection outlives.

        Raises:
            InvalidArgumentError: the id or a channel is malformed. Ids come from browsers: nothing in one that passes
                can change the URL that is posted to.
            RegistryError: the registry could not be written.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        check_connection_id(connection_id)
        if channels is not None:
            channels = [check_channel(channel) for channel in ([channels] if isinstance(channels, str) else channels)]
        self._registry.add(connection_id, channels)

    def unregister_connection(self, connection_id: str) -> None:
        """Forget a connection with all its channels; one that is unknown is passed over.

        Raises:
            InvalidArgumentError: the id is malformed.
            RegistryError: the registry could not be written.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        self._registry.remove([check_connection_id(connection_id)])

    def authorize_subscription(self, connection_id: str, channel: str) -> str:
        """Return the signature with which this connection may subscribe to this channel, for the client's `auth`.

        Needed where the gateway registers connections. Whoever gets it may listen: look first whether the user of this
        request may. It is 64 hexadecimal digits, HMAC-SHA256 over `connection_id:channel`, and good until the
        connection ends or the secret is replaced.

        Raises:
            InvalidArgumentError: the id or the channel is malformed. Nothing was signed.
            ConfigurationError: no secret was given, or boto3 or its credentials are missing to read it.
            RefusedError: Secrets Manager refuses the secret, or cannot be reached.
            ClosedError: this broadcaster was closed.
        """
        from .authorization import subscription_signature

        self._check_open()
        check_connection_id(connection_id)
        check_channel(channel)
        return subscription_signature(self._secret.read(), connection_id, channel)

    def broadcast(self, channel: str, event: str, data: Any) -> BroadcastResult:
        """Send one event to everybody who listens to `channel`, and return what became of it.

        The message `{"channel":…,"event":…,"data":…,"id":…}` is encoded once and may be 131,072 bytes long. Connections
        that are gone (HTTP 410) leave the registry. What happens to a single connection is never an exception: one that
        failed is in the result with the reason, and stays registered.

        Raises:
            InvalidArgumentError: the channel or the event is no name. Nothing was sent.
            MessageError: `data` is not JSON, or too large. Nothing was sent.
            RegistryError: the registry could not be read. Nothing was sent, unless the error has a `result`: then a
                part of a list of more than 1,000 was read and sent to, and the rest was not.
            RefusedError: API Gateway refuses everybody alike, or cannot be reached.
            ConfigurationError: there are no credentials to sign with. Nothing was sent.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        body = encode(channel, event, data)
        listeners = Listeners(self._registry.pages(channel))
        result = self._sender.broadcast(listeners, body, on_stale=self._remove_stale)
        _log().info("%s on %s: %d sent, %d failed, %d stale", event, channel, result.sent, result.failed, result.stale)
        if listeners.error:
            listeners.error.result = result
            raise listeners.error
        return result

    def broadcast_admin_event(self, data: Any) -> BroadcastResult:
        """Send `data` as event `admin_event` on channel `admin`; see `broadcast`."""
        return self.broadcast(ADMIN_CHANNEL, ADMIN_EVENT, data)

    def close(self) -> None:
        """Close what this broadcaster opened; more than once is fine."""
        self._is_closed = True
        self._sender.close()
        if self._owns_registry:
            self._registry.close()

    def __enter__(self) -> "Broadcaster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("this broadcaster was closed; make a new one with init_broadcaster or Broadcaster")

    def _remove_stale(self, connection_ids: list[str]) -> None:
        try:
            self._registry.remove(connection_ids)
        except RegistryError as error:  # the message went out all the same, and the entries will expire
            _log().warning("%d connections are gone but could not be removed: %s", len(connection_ids), error)


def _log() -> Any:
    import logging

    return logging.getLogger("broadcaster")
