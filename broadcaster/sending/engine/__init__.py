"""The fast sender: sockets, TLS and the loop that drives them. Everything in this folder does I/O or serves it."""
