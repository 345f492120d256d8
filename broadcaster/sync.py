"""The synchronous face: one object that knows the endpoint, the registry and the sender."""

import sys
import time
from collections.abc import Collection, Mapping

from .connections import check_connection_id
from .face import ADMIN_CHANNEL, ADMIN_EVENT, CLOSE_SECONDS, Face, log_single
from .history import Position
from .log import logger
from .replies import ConnectionInfo, is_there, read_info
from .results import BroadcastResult


class Broadcaster(Face):
    """Pushes events to the browsers that are connected to one stage of one WebSocket API.

    Safe to use from any number of threads, and after `fork`. No credentials are looked for and no connection is opened
    before the first broadcast that has somebody to reach.

    Args:
        api_id: the API's id, e.g. `abc123xyz`; without it and without `endpoint_url`, the variable `WEBSOCKET_API_ID`.
        region: e.g. `us-east-1`; without it, read from `endpoint_url`, `AWS_REGION` or `AWS_DEFAULT_REGION`.
        stage: the stage's bare name; without it, the variable `WEBSOCKET_STAGE`, else `production`.
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
        deadline: seconds, counted anew from each connection that was reached, after which a broadcast gives up; whom it
            did not reach by then counts as failed. A long list may take longer, as long as there is progress.
        rate: requests per second over all broadcasts; by default just under AWS's quota.
        verify: whether to check the server's certificate, or the path of a CA bundle to check it with.
        max_channels: channels that one connection may be registered for at most; 100 by default.
        window: of `publish`: seconds for which the events of a channel wait for others, to share a message; 0.1 by
            default. A mapping gives them by channel, or by prefix: `{"logs*": 1.0, "*": 0.1}`. 0 sends each alone.
        queue: of `publish`: events that wait at most, 10,000 by default, and 32 MB of them.
        max_age: of `publish`: seconds after which an event that was not sent is dropped, 30 by default.
        strict: of `publish`: whether what is wrong with an event is raised; for tests and development.
        history: events that are kept by channel, or by prefix: `{"admin": 200, "run-*": 500}`; where the registry is.
            Their messages carry `epoch` and `seq`, and `read_history` returns them. None by default.
        history_ttl: seconds that they are kept, at most 7 days.
        encoder: gets what JSON does not know and returns what to write instead, as the `default` of `json.dumps`.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """

    _has_warned = False

    def register_connection(self, connection_id: str, *, channels: Collection[str] | None = None) -> None:
        """Let a connection receive what is broadcast on `channels`, or everything when that is None.

        Registrations of one connection add up. Each keeps it for a little over two hours, which no connection outlives.

        Raises:
            InvalidArgumentError: the id or a channel is malformed, or the connection would listen to more channels than
                one may. Ids come from browsers: nothing in one that passes can change the URL that is posted to.
            RegistryError: the registry could not be written.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        self._register(connection_id, channels)

    def unregister_connection(self, connection_id: str) -> None:
        """Forget a connection with all its channels; one that is unknown is passed over.

        Raises:
            InvalidArgumentError: the id is malformed.
            RegistryError: the registry could not be written.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        self._unregister(connection_id)

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
        self._check_open()
        return self._sign(connection_id, channel)

    def broadcast(self, channel: str, event: str, data: object) -> BroadcastResult:
        """Send one event to everybody who listens to `channel`, and return what became of it.

        The message `{"channel":…,"event":…,"data":…,"id":…}` is encoded once and may be 131,072 bytes long. `data` is
        what JSON knows; `datetime`, `date`, `UUID`, `Enum`, dataclasses and pydantic models are written as one expects.
        An integer above 2**53 arrives changed in a browser, whose numbers are floats: send it as text. Connections
        that are gone (HTTP 410) leave the registry. What happens to a single connection is never an exception: one that
        failed is in the result with the reason, and stays registered.

        Raises:
            InvalidArgumentError: the channel or the event is no name. Nothing was sent.
            MessageError: `data` is not JSON, and the text names the place; or it is too large. Nothing was sent.
            RegistryError: the registry could not be read. Nothing was sent, unless the error has a `result`: then a
                part of a list of more than 1,000 was read and sent to, and the rest was not.
            RefusedError: API Gateway refuses everybody alike, or cannot be reached.
            ConfigurationError: there are no credentials to sign with. Nothing was sent.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        self._warn_in_event_loop()
        body = self._append(channel, self._encode(channel, event, data))
        listeners = self._read_listeners(channel)
        if listeners.is_empty:  # the usual case
            return self._conclude(channel, event, listeners, BroadcastResult())
        stale: list[str] = []
        try:
            result = self._sender.broadcast(listeners, body, on_stale=stale.extend)
        finally:
            if stale:  # after the sending, for which nobody is to wait
                self._remove_stale(stale)
        return self._conclude(channel, event, listeners, result)

    def broadcast_admin_event(self, data: object) -> BroadcastResult:
        """Send `data` as event `admin_event` on channel `admin`; see `broadcast`."""
        return self.broadcast(ADMIN_CHANNEL, ADMIN_EVENT, data)

    def read_history(
        self,
        channel: str,
        *,
        since: Mapping[str, object] | Position | None = None,
        rewind: int | str | None = None,
        limit: int = 1_000,
    ) -> dict[str, object]:
        """Return what was sent on a channel with history: `{"epoch", "seq", "recovered", "messages", "more"}`.

        JSON as it is, for the answer of an endpoint. Checks no rights: decide before who may read what. `messages` are
        the messages as they were sent, oldest first, each with `epoch` and `seq`. `recovered` is True only if they are
        everything after `since`; else the state is to be fetched afresh. Where there is `more`, ask again with the
        `epoch` and `seq` of this answer. Of a channel without history `epoch` is None. History is a cache, not a store.

        Args:
            since: the position of who asks, `{"epoch": "…", "seq": 12}`, as it came from a client.
            rewind: without `since`: so many of the newest events, or a time such as "5m".
            limit: messages at most.

        Raises:
            InvalidArgumentError: an argument is malformed, or no channel has a history.
            RegistryError: the store could not be read.
            ClosedError: this broadcaster was closed.
        """
        return self._read_history(channel, since, rewind, limit)

    def position(self, channel: str) -> Position:
        """Return (epoch, seq) of the newest message of a channel with history, to put beside a snapshot of the state.

        Read it before the state: a client that subscribes with `since` at this position then misses nothing.

        Raises:
            InvalidArgumentError: the channel has no history.
            RegistryError: the store could not be read.
            ClosedError: this broadcaster was closed.
        """
        return self._position(channel)

    def send_to_connection(self, connection_id: str, channel: str, event: str, data: object) -> BroadcastResult:
        """Send one event to one connection, registered or not, and return what became of it.

        The message is the one of a broadcast, and so is the result, of this one target: `sent`, `failed` or `stale`
        is 1. A connection that is gone leaves the registry; one that failed is in `failures` with the reason.

        Raises:
            InvalidArgumentError: the id, the channel or the event is malformed. Nothing was sent.
            MessageError: `data` is not JSON, or too large. Nothing was sent.
            RefusedError: API Gateway refuses everybody alike, or cannot be reached.
            ConfigurationError: there are no credentials to sign with. Nothing was sent.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        check_connection_id(connection_id)
        self._warn_in_event_loop()
        body = self._messages.message(channel, event, data)
        result = self._sender.broadcast([[connection_id]], body, on_stale=self._remove_stale)
        log_single(channel, event, connection_id, result)
        return result

    def disconnect_connection(self, connection_id: str) -> bool:
        """Close a connection from this side, and forget it; return whether it was there.

        The browser sees a normal close, code 1000, and no reason; tell it before with `send_to_connection` if it is not
        to come back. Where the first answer was lost the request is repeated, and then this may be False although it
        was this call that closed the connection.

        Raises:
            InvalidArgumentError: the id is malformed.
            UnavailableError: there was no usable answer, after as many attempts as for a broadcast. The connection may
                be closed or not, and stays registered.
            RefusedError: API Gateway refuses everybody alike, or cannot be reached.
            ConfigurationError: there are no credentials to sign with.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        check_connection_id(connection_id)
        self._warn_in_event_loop()
        reply = self._sender.request("DELETE", connection_id)
        was_there = is_there(reply, connection_id)
        self._remove_stale([connection_id])
        return was_there

    def get_connection(self, connection_id: str) -> ConnectionInfo | None:
        """Return what API Gateway knows of a connection; None if it is gone, and then it leaves the registry.

        Raises:
            InvalidArgumentError: the id is malformed.
            UnavailableError: there was no usable answer, after as many attempts as for a broadcast.
            RefusedError: API Gateway refuses everybody alike, or cannot be reached.
            ConfigurationError: there are no credentials to sign with.
            ClosedError: this broadcaster was closed.
        """
        self._check_open()
        check_connection_id(connection_id)
        self._warn_in_event_loop()
        reply = self._sender.request("GET", connection_id)
        if is_there(reply, connection_id):
            return read_info(reply, connection_id)
        self._remove_stale([connection_id])
        return None

    def _warn_in_event_loop(self) -> None:
        """Say once that this call holds up an event loop, if it does: nobody notices before a browser hangs."""
        # Looked up and not imported, which costs each call; the module may be there without it, while it is imported.
        running_loop = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
        if running_loop is not None and not self._has_warned and running_loop() is not None:
            self._has_warned = True
            logger().warning(
                "a synchronous Broadcaster is used in a running event loop and holds it up until every browser "
                "has answered; use broadcaster.aio there: the same names, to be awaited"
            )

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what was published and waits, and return whether all of it is out.

        What waits for its window does not wait any longer.

        Args:
            timeout: seconds to wait at most. What is not out by then is still sent.

        Raises:
            InvalidArgumentError: `timeout` is not a number.
        """
        end = self._end_of(timeout)
        self._wait_for_early(end)
        if self._publisher is None:
            return not self._early
        return self._publisher.flush(end - time.monotonic()) and not self._early

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Close what this broadcaster opened; more than once is fine.

        Args:
            timeout: seconds in which what was published and waits is sent; what is left then is dropped and logged.

        Raises:
            InvalidArgumentError: `timeout` is not a number. Nothing was closed.
        """
        end = self._end_of(timeout)
        self._wait_for_early(end)
        if self._publisher is not None:
            self._publisher.close(end - time.monotonic())
        self._is_closed = True
        self._close_all()

    def __enter__(self) -> "Broadcaster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
