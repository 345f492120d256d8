"""Stand in for the WebSocket side of API Gateway: who is connected, what is said, when it ends."""
