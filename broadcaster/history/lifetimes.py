"""How long what is kept. A module of its own because the Lambda's bundle takes it too."""

# How much longer than its messages a channel's epoch and number are kept, so that a channel on which nothing has been
# sent for longer than the lifetime still tells a client that it has missed nothing.
FORGOTTEN_AFTER = 86_400  # seconds
