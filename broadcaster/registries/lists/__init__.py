"""What is done with lists of connections, wherever they were read: merged, begun at another place, told to people."""
