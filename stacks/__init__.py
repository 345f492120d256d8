"""What `cdk deploy` creates: a WebSocket API, the Lambda behind its routes, and the access to its connections."""
