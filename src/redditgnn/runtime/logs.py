"""Log lines on stderr: those of this package, and selected warnings of others."""

from __future__ import annotations

import logging
import sys
import warnings


def hide_third_party_warnings() -> None:
    """Hide warnings of third parties about their own dependencies, unless -W asks for them."""
    if sys.warnoptions:
        return
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib'")


def log_to_stderr() -> None:
    """Print the log lines of this package, where Hydra does not do so."""
    logging.basicConfig(format="redditgnn: %(message)s", stream=sys.stderr)
    logging.getLogger("redditgnn").setLevel(logging.INFO)
