"""Entry point of `python -m redditgnn`, the same as `redditgnn`."""

import sys

from redditgnn.cli import main

sys.exit(main())
