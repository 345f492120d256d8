"""DynamoDB and Secrets Manager, as this function asks them."""

from broadcaster.aws.environment import service_endpoint
from broadcaster.aws.json_service import JsonService
from own_environment import credentials, required, tls_context


def service(name: str) -> JsonService:
    """Return what asks `dynamodb` or `secretsmanager`.

    Raises:
        ConfigurationError: Lambda did not say in which region, or a variable for another address holds no URL.
    """
    endpoint = service_endpoint(name, required("AWS_REGION"))
    return JsonService(name, endpoint, credentials=credentials, tls=tls_context)
