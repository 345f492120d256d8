"""The HTTP API with which stock server SDKs publish: requests in the manner that Pusher made the convention.

`request`, `signature` and `events` read and check what arrives, without I/O. `keys` reads the secrets, `table` and
`history` use the table, `delivery` posts. https://pusher.com/docs/channels/library_auth_reference/rest-api/
"""

HISTORY_VARIABLE = "HISTORY"  # where channels have one, how many events are kept, by channel or prefix: a JSON object
