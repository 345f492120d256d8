"""Carrying one message to many connections; `sender` is the seam, everything else stands behind it.

What decides does no I/O: `decisions` (with `targets`, `pace`, `refusals` and `dialing`). What does I/O decides nothing:
`engine`, its loop `reactor` over `links`, and `boto3_sender`, the other way to do the same work.
"""
