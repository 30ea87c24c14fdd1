"""
The main thread's sign of life.

The main thread beats whenever it gets its turn; the socket thread reports to the supervisor how long ago that was. So
the supervisor can tell a process whose main thread is blocked from one that has died.
"""

from __future__ import annotations

import time


class Heartbeat:
    """Written by the main thread alone, read by the socket thread; a float is replaced whole, so no lock is needed."""

    def __init__(self) -> None:
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        self._beat_at = time.monotonic()

    def idle_ms(self) -> int:
        """How long ago the last beat was."""
        return round((time.monotonic() - self._beat_at) * 1_000)
