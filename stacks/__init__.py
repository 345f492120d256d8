"""What `cdk deploy` creates: a WebSocket API, the Lambda behind its routes, and the access to its connections.

In the installed distribution this package is called `broadcaster_stacks`, because many CDK apps have a folder `stacks`
of their own. So its modules import each other relatively.
"""
