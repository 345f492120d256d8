"""What keeps the deployments apart that share a store, and what was written before they were kept apart."""
