"""Figures of API Gateway and Lambda that the gateway keeps to, each with its unit and its source."""

from typing import Final

# developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_FRAME: Final = 32 * 1024  # bytes of one frame from a client; above: close 1009
MAX_MESSAGE: Final = 128 * 1024  # bytes of one message, either way; above: close 1009, or 413 on a post
IDLE_TIMEOUT: Final = 600.0  # seconds without a message either way; then close 1001
CONNECTION_LIFE: Final = 7200.0  # seconds; then close 1001
INTEGRATION_TIMEOUT: Final = 29.0  # seconds, the longest and the default

# apigateway/pricing: "a 33 KB message is metered as two messages"
BILLING_UNIT: Final = 32 * 1024  # bytes

# lambda/latest/dg/gettingstarted-limits.html and configuration-timeout.html
LAMBDA_TIMEOUT: Final = 3.0  # seconds, when the template gives none
LAMBDA_MEMORY: Final = 128  # MB, when the template gives none
LAMBDA_INIT_TIMEOUT: Final = 10.0  # seconds for the import of the handler
LAMBDA_CONCURRENCY: Final = 1000  # executions at once per account and Region
LAMBDA_MAX_REQUEST: Final = 6 * 1024 * 1024  # bytes of an event
LAMBDA_MAX_RESPONSE: Final = 6 * 1024 * 1024  # bytes of JSON that a handler may return


def billed_messages(size: int) -> int:
    """Count the messages that AWS bills for `size` bytes: one for each begun 32 KB, and one for an empty message."""
    return max(1, -(-size // BILLING_UNIT))
