"""`python -m local_gateway`: serve a cloud assembly's WebSocket API until stopped."""

import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("aiohttp", "trustme"):
        raise
    sys.exit(
        f"local_gateway: the gateway needs {error.name}; install this library with its extra:"
        ' pip install "path/to/the/clone[testing]"'
    )

sys.exit(main())
