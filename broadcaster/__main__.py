"""`python -m broadcaster`: look at a deployment, and send to it, from a terminal."""

import sys

from .commands.main import main

sys.exit(main())
