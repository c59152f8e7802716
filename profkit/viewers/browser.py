"""The system's browser, where there is a screen for one."""

from __future__ import annotations

import os
import sys
import webbrowser


def browse(address: str) -> bool:
    """Open an address; returns whether a browser took it.

    Without a screen there may still be a browser for terminals, which would take this one: that is not tried.
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS):
        return False
    return webbrowser.open(address)


_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
