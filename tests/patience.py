"""Waiting for what has to come: long, since a busy machine is slow, not wrong."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds; whoever waits for something returns as soon as it is there.
PATIENCE = 180


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether something becomes true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
