"""What `dev.py` does: a file for each purpose. Standard library alone, because it makes the environment first."""
