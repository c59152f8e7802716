"""Where builds, bundles, synthetic data, compiled kernels and what was checked are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_directory() -> Path:
    """PROFKIT_CACHE, else the user's cache."""
    return Path(os.environ.get("PROFKIT_CACHE") or platformdirs.user_cache_dir("profkit"))
