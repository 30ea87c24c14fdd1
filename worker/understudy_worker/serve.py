"""The process: the main thread renders, loads and acts, one thing after the other; the link's thread speaks."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from understudy_worker.clerk import RequestClerk
from understudy_worker.desk import Desk
from understudy_worker.errors import Cancelled, ConfigurationError, Interrupted, Stopped, Unsupported
from understudy_worker.failures import failure_of
from understudy_worker.link import Link
from understudy_worker.pulse import Pulse
from understudy_worker.rpc import FAILED, Refusal
from understudy_worker.settings import Settings, read_settings
from understudy_worker.surface import Job, Phase, Probe, Rendered, Worker

EXIT_POISONED = 75
EXIT_CONFIGURATION = 78
PULSE_SECONDS = 0.25
LAST_WORDS_SECONDS = 2.0


def say(sentence: str) -> None:
    """One line of the worker's log, which is its stderr. Never a prompt, never the token."""
    print(sentence, file=sys.stderr, flush=True)


def quit_now(code: int) -> NoReturn:
    """Without the interpreter's own end, in which a device that is lost may hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Main:
    """Everything that has the device. One of it runs at a time, on the thread that calls `run`."""

    def __init__(self, worker: Worker, settings: Settings) -> None:
        if not worker.models:
            raise ConfigurationError(f"{type(worker).__name__} names no model (`models`).")
        self._worker = worker
        self._pulse = Pulse()
        self._desk = Desk(worker.memory())
        # A SimpleQueue may be put to by a signal handler that interrupted its own `get`.
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._is_stopping = False
        self._is_poisoned = False
        self._link = Link(settings, self._pulse, RequestClerk(worker, self._desk, self))

    def run(self) -> NoReturn:
        # A terminal's Ctrl-C goes to the whole group; the supervisor decides what becomes of its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        self._link.start()
        while not self._is_stopping and not self._is_poisoned:
            self._pulse.beat()
            try:
                task = self._tasks.get(timeout=PULSE_SECONDS)
            except queue.Empty:
                continue
            task()
        self._link.finish(LAST_WORDS_SECONDS)
        quit_now(EXIT_POISONED if self._is_poisoned and not self._is_stopping else 0)

    def post(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def stop(self) -> None:
        """From any thread, and from a signal handler. A render in hand ends at its next step, with a checkpoint."""
        self._is_stopping = True
        self._tasks.put(lambda: None)

    def load(self, model: str, profile: str) -> dict[str, Any]:
        began = time.monotonic()
        if profile not in self._worker.profiles:
            raise Unsupported(self._worker.why_not(profile))
        self._desk.note_resident(None, None)
        self._worker.load(model, profile, lambda ratio: self._tell_ratio(model, ratio))
        self._desk.note_resident(model, profile)
        return {"memory": self._note_memory(), "took_ms": round((time.monotonic() - began) * 1_000)}

    def unload(self) -> dict[str, Any]:
        self._desk.note_resident(None, None)
        self._worker.unload()
        return {"memory": self._note_memory()}

    def act(self, action: str, profile: str | None) -> dict[str, Any]:
        before = self._note_memory()
        done = self._worker.actions()[action](profile)
        if done.profile is not None:
            self._desk.note_resident(self._desk.resident[0], done.profile)
        return {"applied": list(done.applied), "before": before, "after": self._note_memory()}

    def prove(self, probe: Probe) -> dict[str, Any]:
        """A failed proof is an answer, not a refusal."""
        began = time.monotonic()
        experts, failure = 0, None
        try:
            self._assert_provable(probe)
            experts = self._worker.prove(probe, lambda *_, **__: self._turn())
        except Exception as thrown:  # noqa: BLE001, the top of a probe: it is told as it was
            failure = failure_of(thrown, probe.phase or "idle", None, self._worker.memory())
        self._settle(failure, is_clean=failure is None)
        self._note_memory()
        took_ms = round((time.monotonic() - began) * 1_000)
        return {"passed": failure is None, "experts_used": experts, "took_ms": took_ms, "failure": failure}

    def _assert_provable(self, probe: Probe) -> None:
        if probe.kind == "alive":
            if self._worker.is_device_usable() is not True:
                raise RuntimeError("a tiny piece of work on the device was not done")
            return
        model = probe.model if probe.request is None else probe.request.model
        if self._desk.resident[0] != model:
            raise RuntimeError(f"{model} is not loaded")

    def render(self, job: Job) -> None:
        began = time.monotonic()
        report, failure = None, None
        try:
            self._worker.reset_peak()
            rendered = self._worker.render(job, self._on_step)
            report = self._report(job, rendered, round((time.monotonic() - began) * 1_000))
        except Interrupted as thrown:
            say(f"job {job.job_id}: {type(thrown).__name__.lower()}")
        except Exception as thrown:  # noqa: BLE001, the top of a render: it is told as it was
            in_hand = self._desk.render
            phase, step = ("idle", None) if in_hand is None else (in_hand.phase, in_hand.step)
            failure = failure_of(thrown, phase, step, self._worker.memory())
            say(f"job {job.job_id}: {failure['exception_type']} in {phase}")
        # Out of the `except` block: a caught exception holds the frames, and they hold the tensors.
        self._settle(failure, is_clean=report is not None)
        if report is not None:
            report["held_bytes"] = self._worker.memory().allocated_bytes
        self._end(job, report, failure)

    def failed(self, thrown: Exception, phase: str) -> dict[str, Any]:
        """A call that failed, as it is told."""
        return failure_of(thrown, phase, None, self._worker.memory())

    def settle(self, refusal: Refusal) -> None:
        """After a call that failed; one that was only refused has touched nothing."""
        if refusal.code == FAILED:
            self._settle(refusal.data, is_clean=False)
        self._note_memory()

    def _settle(self, failure: dict[str, Any] | None, *, is_clean: bool) -> None:
        if failure is not None:
            failure["device_usable"] = self._probe()
        if not self._is_poisoned:
            self._worker.settle(is_clean=is_clean)

    def _probe(self) -> bool | None:
        usable = self._worker.is_device_usable()
        if usable is False:
            self._is_poisoned = True
        return usable

    def _end(self, job: Job, report: dict[str, Any] | None, failure: dict[str, Any] | None) -> None:
        # Whoever hears of the end finds the device free.
        self._note_memory()
        is_cancelled = self._desk.render is not None and self._desk.render.is_cancelled
        outcome = None if is_cancelled else report or failure
        ended = self._desk.finish(outcome, is_failure=report is None)
        if outcome is not None and report is not None:
            self._link.notify("completed", report)
        elif outcome is not None:
            self._link.notify("failed", {"job_id": job.job_id, "fence": job.fence, "failure": outcome})
        for when_free in [] if ended is None else ended.when_free:
            when_free()

    def _on_step(self, phase: Phase, step: int, of: int, *, long_phase_ms: int | None = None) -> None:
        render = self._desk.render
        self._turn()
        if render is None:
            return
        self._desk.note_step(phase, step, of, long_phase_ms)
        if phase == "denoise" and step > 0:
            self._note_memory()
        if render.is_cancelled:
            raise Cancelled(f"in {phase}")
        said = {"job_id": render.job.job_id, "fence": render.job.fence, "phase": phase, "step": step, "of": of}
        self._link.notify("progress", said if long_phase_ms is None else {**said, "long_phase_ms": long_phase_ms})
        if self._is_stopping:
            self._worker.checkpoint()
            raise Stopped(f"in {phase}")

    def _turn(self) -> None:
        self._pulse.beat()

    def _tell_ratio(self, model: str, ratio: float) -> None:
        self._pulse.beat()
        if self._is_stopping:
            raise Stopped("in load")
        self._link.notify("load_progress", {"model": model, "ratio": min(1.0, max(0.0, ratio))})

    def _note_memory(self) -> dict[str, int]:
        memory = self._worker.memory()
        self._desk.note_memory(memory)
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
    """Serves one worker until its process ends. Exit code 78 and a sentence when its settings are wrong."""
    try:
        settings = read_settings()
        Main(worker if isinstance(worker, Worker) else worker(), settings).run()
    except ConfigurationError as thrown:
        say(str(thrown))
        quit_now(EXIT_CONFIGURATION)
