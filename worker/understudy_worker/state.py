"""
What the worker is doing: the one state that the socket thread and the main thread share.

The main thread renders and records how far it is. The socket thread answers from that record, admits the next job and
marks a render as cancelled. A lock guards every read and write that spans more than one field.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from understudy_worker.api import Job, Phase
from understudy_worker.errors import Busy
from understudy_worker.memory import Memory


@dataclass
class ActiveRender:
    """The job that is rendered now, and how far it is."""

    job: Job
    phase: Phase = "encode"
    step: int = 0
    of: int = 1
    moved_at: float = field(default_factory=time.monotonic)
    long_phase_ms: int = 0
    is_cancelled: bool = False
    when_free: list[Callable[[], None]] = field(default_factory=list)
    """Called once the render has left the device: each answers one request to cancel."""

    def matches(self, job_id: str, fence: int) -> bool:
        return (self.job.job_id, self.job.fence) == (job_id, fence)

    def standstill_ms(self) -> int:
        """How long the render has not moved, less the silence that its phase has announced."""
        return max(0, round((time.monotonic() - self.moved_at) * 1_000) - self.long_phase_ms)


class WorkerState:
    def __init__(self, memory: Memory) -> None:
        self._lock = threading.Lock()
        self._render: ActiveRender | None = None
        self._call_count = 0
        # The last job with its report or failure, until the supervisor acknowledges it: it may have been away.
        self._unacknowledged: tuple[Job, dict[str, Any]] | None = None
        self._is_failure = False
        self._model: str | None = None
        self._profile: str | None = None
        self._memory = memory
        self._done_count = 0

    @property
    def render(self) -> ActiveRender | None:
        return self._render

    @property
    def resident(self) -> tuple[str | None, str | None]:
        """The model that is loaded, and its load profile."""
        with self._lock:
            return self._model, self._profile

    def admit(self, job: Job, check: Callable[[str | None], None]) -> None:
        """
        Makes `job` the active render. Raises Busy, or what `check` raises when it is given the resident model; then
        nothing has changed.
        """
        with self._lock:
            if self._render is not None or self._call_count > 0:
                raise Busy("the device is taken")
            check(self._model)
            self._unacknowledged = None
            self._render = ActiveRender(job)

    def begin_call(self, *, may_wait_for_render: bool) -> None:
        """Reserves the device for a call. Raises Busy during a render, unless the call may wait for its end."""
        with self._lock:
            if self._render is not None and not may_wait_for_render:
                raise Busy("a render is in hand")
            self._call_count += 1

    def end_call(self) -> None:
        with self._lock:
            self._call_count -= 1

    def record_step(self, phase: Phase, step: int, of: int, long_phase_ms: int | None) -> None:
        render = self._render
        if render is None:
            return
        with self._lock:
            if render.phase != phase or long_phase_ms is not None:
                render.long_phase_ms = long_phase_ms or 0
            if (render.phase, render.step) != (phase, step):
                render.moved_at = time.monotonic()
            render.phase, render.step, render.of = phase, step, of

    def record_memory(self, memory: Memory) -> None:
        with self._lock:
            self._memory = memory

    def record_resident(self, model: str | None, profile: str | None) -> None:
        with self._lock:
            self._model, self._profile = model, profile

    def finish(self, outcome: dict[str, Any] | None, *, is_failure: bool = False) -> ActiveRender | None:
        """
        Ends the active render and returns it. `outcome` is its report or its failure and is kept until it is
        acknowledged; a cancelled render has none.
        """
        with self._lock:
            render, self._render = self._render, None
            if render is None or outcome is None:
                return render
            self._unacknowledged, self._is_failure = (render.job, outcome), is_failure
            self._done_count += 0 if is_failure else 1
            return render

    def acknowledge(self, job_id: str, fence: int) -> None:
        with self._lock:
            waiting = self._unacknowledged
            if waiting is not None and (waiting[0].job_id, waiting[0].fence) == (job_id, fence):
                self._unacknowledged = None

    def cancel(self, job_id: str, fence: int, when_free: Callable[[], None]) -> None:
        """Calls `when_free` once the job is off the device: at once when it is not on it."""
        with self._lock:
            render = self._render
            if render is not None and render.matches(job_id, fence):
                render.is_cancelled = True
                render.when_free.append(when_free)
                return
        when_free()

    def attach(self) -> dict[str, Any]:
        """Everything that a supervisor which has just connected must know to take this worker over."""
        with self._lock:
            render, waiting = self._render, self._unacknowledged
            job = render.job if render is not None else waiting[0] if waiting is not None else None
            outcome = None if waiting is None else waiting[1]
            return {
                "job_id": None if job is None else job.job_id,
                "fence": None if job is None else job.fence,
                "phase": None if render is None else render.phase,
                "step": None if render is None else render.step,
                "of": None if render is None else render.of,
                "result": None if self._is_failure else outcome,
                "failure": outcome if self._is_failure else None,
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
