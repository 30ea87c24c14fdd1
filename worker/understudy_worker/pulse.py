"""When the main thread last turned: what tells a blocked main thread from a dead process."""

from __future__ import annotations

import time


class Pulse:
    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        self._at = time.monotonic()

    def idle_ms(self) -> int:
        return round((time.monotonic() - self._at) * 1_000)
