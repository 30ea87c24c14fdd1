"""
The worker's process, from its start to its exit code.

The main thread owns the device: it loads, renders, acts and proves, one task after the other. The socket thread speaks
with the supervisor meanwhile and posts the tasks.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from understudy_worker.api import Job, Phase, Probe, Rendered, Worker
from understudy_worker.dispatcher import RequestDispatcher
from understudy_worker.errors import Cancelled, ConfigurationError, Interrupted, Stopped, Unsupported
from understudy_worker.failures import failure_of
from understudy_worker.heartbeat import Heartbeat
from understudy_worker.rpc import FAILED, ErrorResponse
from understudy_worker.settings import Settings, read_settings
from understudy_worker.socket_server import SocketServer
from understudy_worker.state import WorkerState

EXIT_POISONED = 75
"""The device answers this process no more, but would answer a new one."""
EXIT_CONFIGURATION = 78
TURN_SECONDS = 0.25
"""The idle main thread beats this often."""
FLUSH_SECONDS = 2.0
"""How long the end of the process waits for the supervisor to read the last messages."""


def log(line: str) -> None:
    """Writes one line to the worker's log, which is its stderr. It must never hold a prompt or the token."""
    print(line, file=sys.stderr, flush=True)


def exit_now(code: int) -> NoReturn:
    """Ends the process without the interpreter's own clean-up, in which the driver of a lost device may hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class WorkerProcess:
    """Runs one worker. Tasks are run on the thread that calls `run`, which must be the main thread."""

    def __init__(self, worker: Worker, settings: Settings) -> None:
        if not worker.models:
            raise ConfigurationError(f"{type(worker).__name__} names no model (`models`).")
        self._worker = worker
        self._heartbeat = Heartbeat()
        self._state = WorkerState(worker.memory())
        # `stop` puts a task from a signal handler. SimpleQueue is reentrant: a Queue would deadlock when the signal
        # interrupts its own `get`.
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._is_stopping = False
        self._is_poisoned = False
        self._server = SocketServer(settings, self._heartbeat, RequestDispatcher(worker, self._state, self))

    def run(self) -> NoReturn:
        # A terminal's Ctrl-C goes to the whole group; the supervisor decides what becomes of its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        self._server.start()
        while not self._is_stopping and not self._is_poisoned:
            self._heartbeat.beat()
            try:
                task = self._tasks.get(timeout=TURN_SECONDS)
            except queue.Empty:
                continue
            task()
        self._server.finish(FLUSH_SECONDS)
        exit_now(EXIT_POISONED if self._is_poisoned and not self._is_stopping else 0)

    def post(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def stop(self) -> None:
        """
        Asks the process to end; may be called from any thread and from a signal handler. An active render is left at
        its next step, with a checkpoint.
        """
        self._is_stopping = True
        # Wakes the main thread when it waits for a task.
        self._tasks.put(lambda: None)

    def load(self, model: str, profile: str) -> dict[str, Any]:
        began = time.monotonic()
        if profile not in self._worker.profiles:
            raise Unsupported(self._worker.why_not(profile))
        # Until the load has succeeded nobody may rely on either model, the old one or the new one.
        self._state.record_resident(None, None)
        self._worker.load(model, profile, lambda ratio: self._report_load(model, ratio))
        self._state.record_resident(model, profile)
        return {"memory": self._record_memory(), "took_ms": round((time.monotonic() - began) * 1_000)}

    def unload(self) -> dict[str, Any]:
        self._state.record_resident(None, None)
        self._worker.unload()
        return {"memory": self._record_memory()}

    def act(self, action: str, profile: str | None) -> dict[str, Any]:
        before = self._record_memory()
        done = self._worker.actions()[action](profile)
        if done.profile is not None:
            self._state.record_resident(self._state.resident[0], done.profile)
        return {"applied": list(done.applied), "before": before, "after": self._record_memory()}

    def prove(self, probe: Probe) -> dict[str, Any]:
        """Renders the proof. One that fails is a result like any other: the supervisor asked to know it."""
        began = time.monotonic()
        experts, failure = 0, None
        try:
            self._assert_provable(probe)
            experts = self._worker.prove(probe, lambda *_, **__: self._heartbeat.beat())
        except Exception as thrown:  # noqa: BLE001, whatever was raised is what the proof has found
            failure = failure_of(thrown, probe.phase or "idle", None, self._worker.memory())
        self._settle(failure, is_clean=failure is None)
        self._record_memory()
        took_ms = round((time.monotonic() - began) * 1_000)
        return {"passed": failure is None, "experts_used": experts, "took_ms": took_ms, "failure": failure}

    def _assert_provable(self, probe: Probe) -> None:
        if probe.kind == "alive":
            if self._worker.is_device_usable() is not True:
                raise RuntimeError("a tiny piece of work on the device was not done")
            return
        model = probe.model if probe.request is None else probe.request.model
        if self._state.resident[0] != model:
            raise RuntimeError(f"{model} is not loaded")

    def render(self, job: Job) -> None:
        began = time.monotonic()
        report, failure = None, None
        try:
            self._worker.reset_peak()
            rendered = self._worker.render(job, self._on_step)
            report = self._report(job, rendered, round((time.monotonic() - began) * 1_000))
        except Interrupted as thrown:
            log(f"job {job.job_id}: {type(thrown).__name__.lower()}")
        except Exception as thrown:  # noqa: BLE001, every failure is reported to the supervisor, which classifies it
            active = self._state.render
            phase, step = ("idle", None) if active is None else (active.phase, active.step)
            failure = failure_of(thrown, phase, step, self._worker.memory())
            log(f"job {job.job_id}: {failure['exception_type']} in {phase}")
        # The exception keeps its stack frames alive, and they keep the tensors. So the memory is freed here, after the
        # `except` block has let go of it.
        self._settle(failure, is_clean=report is not None)
        if report is not None:
            # Measured with the device free of the job: what grows from job to job is a leak.
            report["held_bytes"] = self._worker.memory().allocated_bytes
        self._end(job, report, failure)

    def failed(self, thrown: Exception, phase: str) -> dict[str, Any]:
        """The failure of a call, as the supervisor is told of it."""
        return failure_of(thrown, phase, None, self._worker.memory())

    def settle(self, error: ErrorResponse) -> None:
        """Cleans up after a call that failed. One that was refused has touched nothing, so nothing is done."""
        if error.code == FAILED:
            self._settle(error.data, is_clean=False)
        self._record_memory()

    def _settle(self, failure: dict[str, Any] | None, *, is_clean: bool) -> None:
        if failure is not None:
            failure["device_usable"] = self._probe_device()
        # Every call on a lost device raises or hangs; the process ends soon and takes the memory with it.
        if not self._is_poisoned:
            self._worker.settle(is_clean=is_clean)

    def _probe_device(self) -> bool | None:
        usable = self._worker.is_device_usable()
        if usable is False:
            self._is_poisoned = True
        return usable

    def _end(self, job: Job, report: dict[str, Any] | None, failure: dict[str, Any] | None) -> None:
        # The state is brought up to date before the end is announced: the supervisor may send the next job at once.
        self._record_memory()
        is_cancelled = self._state.render is not None and self._state.render.is_cancelled
        outcome = None if is_cancelled else report or failure
        ended = self._state.finish(outcome, is_failure=report is None)
        if outcome is not None and report is not None:
            self._server.notify("completed", report)
        elif outcome is not None:
            self._server.notify("failed", {"job_id": job.job_id, "fence": job.fence, "failure": outcome})
        for when_free in [] if ended is None else ended.when_free:
            when_free()

    def _on_step(self, phase: Phase, step: int, of: int, *, long_phase_ms: int | None = None) -> None:
        render = self._state.render
        self._heartbeat.beat()
        if render is None:
            return
        self._state.record_step(phase, step, of, long_phase_ms)
        if phase == "denoise" and step > 0:
            self._record_memory()
        if render.is_cancelled:
            raise Cancelled(f"in {phase}")
        progress = {"job_id": render.job.job_id, "fence": render.job.fence, "phase": phase, "step": step, "of": of}
        self._server.notify(
            "progress", progress if long_phase_ms is None else {**progress, "long_phase_ms": long_phase_ms}
        )
        if self._is_stopping:
            self._worker.checkpoint()
            raise Stopped(f"in {phase}")

    def _report_load(self, model: str, ratio: float) -> None:
        self._heartbeat.beat()
        if self._is_stopping:
            raise Stopped("in load")
        self._server.notify("load_progress", {"model": model, "ratio": min(1.0, max(0.0, ratio))})

    def _record_memory(self) -> dict[str, int]:
        memory = self._worker.memory()
        self._state.record_memory(memory)
        return memory.wire()

    def _report(self, job: Job, rendered: Any, render_ms: int) -> dict[str, Any]:
        request = job.request
        if not isinstance(rendered, Rendered):
            rendered = Rendered(rendered, request.width, request.height, request.steps, 0)
        return {
            "job_id": job.job_id,
            "fence": job.fence,
            "output_path": str(rendered.path),
            "frames": request.frames,
            "rendered_width": rendered.width,
            "rendered_height": rendered.height,
            "steps_rendered": rendered.steps_rendered,
            "resumed_from_step": rendered.resumed_from_step,
            "render_ms": render_ms,
            "peak_bytes": self._worker.memory().peak_bytes,
        }


def serve(worker: Worker | Callable[[], Worker]) -> NoReturn:
    """
    Runs one worker until its process ends: it never returns.

    A function that makes the worker may be given in its place, so that wrong settings end the process with exit code 78
    and one line in the log before anything heavy is imported.
    """
    try:
        settings = read_settings()
        WorkerProcess(worker if isinstance(worker, Worker) else worker(), settings).run()
    except ConfigurationError as thrown:
        log(str(thrown))
        exit_now(EXIT_CONFIGURATION)
