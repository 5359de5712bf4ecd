"""Lets `python -m redditgnn` be `redditgnn`."""

import sys

from redditgnn.cli import main

sys.exit(main())
