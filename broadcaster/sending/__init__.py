"""Carrying one message to many connections: the protocol of senders, what they decide, and the two that there are.

What decides does no I/O and reads no clock: `fan_out`, `targets`, `pace`, `refusals`. What does I/O decides nothing:
`engine/`, the fast one, and `boto3_sender`, for proxies and as the reference. `choose` makes the right one.
"""
