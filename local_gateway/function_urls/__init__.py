"""Stand in for Lambda's function URLs: HTTP requests that invoke a function without an API."""
