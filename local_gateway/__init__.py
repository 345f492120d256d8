"""Stands in for API Gateway and Lambda on a developer's machine, and behaves as they do.

It reads a synthesized CDK stack, serves its WebSocket API and management API on one port on loopback, and runs its
Lambdas in processes of their own. The template is all that it knows of the system.
"""
