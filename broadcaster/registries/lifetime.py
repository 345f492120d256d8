"""How long an entry lives. A module of its own because the Lambda's bundle takes it too."""

# No connection lives longer than two hours, so an entry of a little more can only be a leftover.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
ENTRY_LIFETIME = 2 * 3600 + 300  # seconds
