"""Warnings that are shown, and those that are not."""

from __future__ import annotations

import sys
import warnings


def hide_what_users_cannot_mend() -> None:
    """Drop warnings of third parties about their own dependencies, unless -W asks for them."""
    if sys.warnoptions:
        return
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib'")
