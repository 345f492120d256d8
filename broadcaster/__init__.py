"""Push events to the browsers that are connected to an API Gateway WebSocket API."""
