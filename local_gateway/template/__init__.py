"""Reading a synthesized template: what it says about its WebSocket API, its functions and their permissions."""
