"""What is told on stderr beside results: our own lines, and which warnings of others."""

from __future__ import annotations

import logging
import sys
import warnings


def hide_what_users_cannot_mend() -> None:
    """Drop warnings of third parties about their own dependencies, unless -W asks for them."""
    if sys.warnoptions:
        return
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib'")


def tell_on_stderr() -> None:
    """Print what this package logs, a line each, where Hydra does not see to that."""
    logging.basicConfig(format="redditgnn: %(message)s", stream=sys.stderr)
    logging.getLogger("redditgnn").setLevel(logging.INFO)
