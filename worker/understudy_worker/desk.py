"""
What is in hand and what is kept: the one state that the link's thread and the main thread share.

The link's thread admits, answers and cancels by it; the main thread renders and writes down how far it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from understudy_worker.errors import Busy
from understudy_worker.memory import Memory
from understudy_worker.surface import Job, Phase


@dataclass
class RenderInHand:
    job: Job
    phase: Phase = "encode"
    step: int = 0
    of: int = 1
    moved_at: float = field(default_factory=time.monotonic)
    long_phase_ms: int = 0
    is_cancelled: bool = False
    when_free: list[Callable[[], None]] = field(default_factory=list)

    def is_named(self, job_id: str, fence: int) -> bool:
        return (self.job.job_id, self.job.fence) == (job_id, fence)

    def standstill_ms(self) -> int:
        return max(0, round((time.monotonic() - self.moved_at) * 1_000) - self.long_phase_ms)


class Desk:
    def __init__(self, memory: Memory) -> None:
        self._lock = threading.Lock()
        self._render: RenderInHand | None = None
        self._call_count = 0
        self._kept: tuple[Job, dict[str, Any]] | None = None
        self._is_kept_failure = False
        self._model: str | None = None
        self._profile: str | None = None
        self._memory = memory
        self._done_count = 0

    @property
    def render(self) -> RenderInHand | None:
        return self._render

    @property
    def resident(self) -> tuple[str | None, str | None]:
        with self._lock:
            return self._model, self._profile

    def admit(self, job: Job, check: Callable[[str | None], None]) -> None:
        """Raises Busy, or what `check` raises when it is shown the resident model; then nothing has changed."""
        with self._lock:
            if self._render is not None or self._call_count > 0:
                raise Busy("the device is taken")
            check(self._model)
            self._kept = None
            self._render = RenderInHand(job)

    def begin_call(self, *, beside_render: bool) -> None:
        """A call that has the device, or waits for it. Raises Busy when it may not wait for the render in hand."""
        with self._lock:
            if self._render is not None and not beside_render:
                raise Busy("a render is in hand")
            self._call_count += 1

    def end_call(self) -> None:
        with self._lock:
            self._call_count -= 1

    def note_step(self, phase: Phase, step: int, of: int, long_phase_ms: int | None) -> None:
        render = self._render
        if render is None:
            return
        with self._lock:
            if render.phase != phase or long_phase_ms is not None:
                render.long_phase_ms = long_phase_ms or 0
            if (render.phase, render.step) != (phase, step):
                render.moved_at = time.monotonic()
            render.phase, render.step, render.of = phase, step, of

    def note_memory(self, memory: Memory) -> None:
        with self._lock:
            self._memory = memory

    def note_resident(self, model: str | None, profile: str | None) -> None:
        with self._lock:
            self._model, self._profile = model, profile

    def finish(self, outcome: dict[str, Any] | None, *, is_failure: bool = False) -> RenderInHand | None:
        """Ends the render in hand: with its report, with its failure, or with nothing to keep."""
        with self._lock:
            render, self._render = self._render, None
            if render is None or outcome is None:
                return render
            self._kept, self._is_kept_failure = (render.job, outcome), is_failure
            self._done_count += 0 if is_failure else 1
            return render

    def acknowledge(self, job_id: str, fence: int) -> None:
        with self._lock:
            if self._kept is not None and (self._kept[0].job_id, self._kept[0].fence) == (job_id, fence):
                self._kept = None

    def cancel(self, job_id: str, fence: int, when_free: Callable[[], None]) -> None:
        """Calls `when_free` once the device is free of the job, at once when it does not hold it."""
        with self._lock:
            render = self._render
            if render is not None and render.is_named(job_id, fence):
                render.is_cancelled = True
                render.when_free.append(when_free)
                return
        when_free()

    def attach(self) -> dict[str, Any]:
        with self._lock:
            render, kept = self._render, self._kept
            job = render.job if render is not None else kept[0] if kept is not None else None
            outcome = None if kept is None else kept[1]
            return {
                "job_id": None if job is None else job.job_id,
                "fence": None if job is None else job.fence,
                "phase": None if render is None else render.phase,
                "step": None if render is None else render.step,
                "of": None if render is None else render.of,
                "result": None if self._is_kept_failure else outcome,
                "failure": outcome if self._is_kept_failure else None,
                "resident_model": self._model,
                "profile": self._profile,
                "standstill_ms": 0 if render is None else render.standstill_ms(),
            }

    def stats(self) -> dict[str, Any]:
        with self._lock:
            return {
                "memory": self._memory.wire(),
                "resident_model": self._model,
                "profile": self._profile,
                "jobs_done": self._done_count,
            }
