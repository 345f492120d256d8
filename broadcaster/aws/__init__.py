"""What asking AWS takes: addresses, credentials, connections, repetitions, and the services that speak JSON.

| module | what it has |
|---|---|
| `partitions`, `address`, `environment` | where a service is: by region, by URL, by AWS's own variables |
| `credentials` | what requests are signed with |
| `kept_connections`, `at_once` | HTTP exchanges over kept connections, several at once in the calling thread |
| `retries` | what is retryable, and how long to wait |
| `json_service`, `boto3_service`, `choose` | DynamoDB and Secrets Manager, by ourselves or through boto3 |
"""
