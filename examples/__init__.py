"""What a user of this project would write."""
