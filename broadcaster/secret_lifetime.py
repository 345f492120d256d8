"""How long the secret that subscriptions are signed with is kept, by backends and by the Lambda alike."""

# Seconds after which what was read of Secrets Manager is read again: a rotation reaches everybody within this time.
KEEP_SECONDS = 300.0
# Seconds for which a secret that was replaced is accepted, so that backends which keep it have time to change over. If
# Secrets Manager cannot be asked meanwhile, what is kept serves on for as long.
GRACE_SECONDS = 900.0
