"""Publishing: events that are sent later, together, by a thread of the process, for callers who do not want the result.

`publisher` is what callers meet: it encodes, enqueues and returns. `backlog` (what waits, by channel), `lanes` (what
waits for connections that have not answered yet) and `ledger` (what became of each event) decide and do no I/O; the
callers and the thread meet in `mailbox`. `courier` is the thread: it reads who listens, and hands messages to a carrier
of `sending.background`.
"""
