"""`python -m local_gateway`: serve a cloud assembly's WebSocket API until stopped."""

import sys

from .cli import main

sys.exit(main())
