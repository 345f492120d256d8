"""What a sender does unless it is told otherwise. A module of its own so that reading it imports no machinery."""

# The account's quota over all of its HTTP, REST, WebSocket and callback APIs in a Region is 10,000 requests per second
# with a burst of half of that; 2,500 in many newer Regions.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
AWS_REQUESTS_PER_SECOND = 10_000
# Just under it: what else the account does needs some, and a request that is throttled is one more request.
DEFAULT_RATE = 0.97 * AWS_REQUESTS_PER_SECOND

DEFAULT_ATTEMPTS = 3  # posts to one connection at most
DEFAULT_CONCURRENCY = 256  # requests in flight; more gains nothing, see the figures in bench/
# Posts to clients whose network has vanished have been seen to hang for as long as the caller waits.
DEFAULT_TIMEOUT = 3.0  # seconds for one request; connecting has as many of its own
DEFAULT_DEADLINE = 15.0  # seconds of a broadcast without anybody reached
