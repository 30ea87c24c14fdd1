"""
Handles each request of the supervisor, on the socket thread.

What needs no device is answered at once. What needs it is checked here, queued for the main thread, and answered when
the main thread has done it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from understudy_worker import params as read
from understudy_worker.api import PHASES, Job, Probe, Worker
from understudy_worker.errors import Busy, InvalidParams, Unsupported
from understudy_worker.failures import failure_of
from understudy_worker.rpc import BUSY, FAILED, INVALID_PARAMS, UNSUPPORTED, ErrorResponse
from understudy_worker.socket_server import Reply, Result
from understudy_worker.state import WorkerState

Task = Callable[[], None]


class MainThread(Protocol):
    """What runs on the main thread. `post` and `stop` may be called from any thread, the others only from a task."""

    def post(self, task: Task) -> None: ...
    def stop(self) -> None: ...
    def render(self, job: Job) -> None: ...
    def load(self, model: str, profile: str) -> dict[str, Any]: ...
    def unload(self) -> dict[str, Any]: ...
    def act(self, action: str, profile: str | None) -> dict[str, Any]: ...
    def prove(self, probe: Probe) -> dict[str, Any]: ...
    def failed(self, thrown: Exception, phase: str) -> dict[str, Any]: ...
    def settle(self, error: ErrorResponse) -> None: ...


class RequestDispatcher:
    def __init__(self, worker: Worker, state: WorkerState, main: MainThread) -> None:
        self._worker = worker
        self._state = state
        self._main = main
        # Read once, before the socket opens: later these calls would come from another thread than the worker's.
        device = worker.identity()
        self._actions = frozenset(worker.actions())
        self._identity: dict[str, Any] = {
            "kind": worker.kind,
            "plays_faults": worker.plays_faults,
            "device": {"uuid": device.uuid, "name": device.name, "total_bytes": device.total_bytes},
            "models": list(worker.models),
            "profiles": list(worker.profiles),
            "actions": list(worker.actions()),
            "phases": list(PHASES),
        }
        self._handlers: dict[str, Callable[[Any, Reply], None]] = {
            "attach": lambda _, reply: reply(state.attach()),
            "stats": lambda _, reply: reply(state.stats()),
            "job/ack": self._acknowledge,
            "cancel": self._cancel,
            "generate": self._generate,
            "model/load": self._load,
            "model/unload": self._unload,
            "action/run": self._act,
            "probe": self._prove,
            "shutdown": self._shutdown,
            "fault/inject": self._inject,
        }

    def identity(self) -> dict[str, Any]:
        return self._identity

    def on_orphaned(self) -> None:
        """Ends the process, unless it renders: the next supervisor may still want that result."""
        if self._state.render is None:
            self._main.stop()

    def dispatch(self, method: str, params: Any, reply: Reply) -> None:
        handler = self._handlers.get(method)
        if handler is None:
            reply(ErrorResponse(UNSUPPORTED, f"{method} is not offered"))
            return
        try:
            handler(params, reply)
        except Exception as thrown:  # noqa: BLE001, the supervisor waits for a response whatever was raised
            reply(error_response_of(thrown, failure_of(thrown, "idle", None, None)))

    def _acknowledge(self, params: Any, reply: Reply) -> None:
        attempt = read.attempt_ref("job/ack", params)
        self._state.acknowledge(attempt.job_id, attempt.fence)
        reply({})

    def _cancel(self, params: Any, reply: Reply) -> None:
        attempt = read.attempt_ref("cancel", params)
        self._state.cancel(attempt.job_id, attempt.fence, lambda: reply({}))

    def _generate(self, params: Any, reply: Reply) -> None:
        job = read.job(params, self._worker.models)

        def check(resident: str | None) -> None:
            if resident != job.request.model:
                raise RuntimeError(f"{job.request.model} is not loaded")
            self._worker.admit(job)

        self._state.admit(job, check)
        # Before the task is posted, so that no progress of the job overtakes its acceptance.
        reply({"accepted": True})
        self._main.post(lambda: self._main.render(job))

    def _load(self, params: Any, reply: Reply) -> None:
        model, profile = read.load_params(params, self._worker.models)
        self._call(lambda: self._main.load(model, profile), "load", reply, may_wait_for_render=False)

    def _unload(self, _params: Any, reply: Reply) -> None:
        self._call(self._main.unload, "idle", reply, may_wait_for_render=False)

    def _act(self, params: Any, reply: Reply) -> None:
        action, profile = read.action_params(params)
        if action not in self._actions:
            raise Unsupported(f"{action} is not an action of this worker")
        self._call(lambda: self._main.act(action, profile), "idle", reply, may_wait_for_render=True)

    def _prove(self, params: Any, reply: Reply) -> None:
        probe = read.probe_params(params, self._worker.models)
        self._call(lambda: self._main.prove(probe), "idle", reply, may_wait_for_render=True)

    def _inject(self, params: Any, reply: Reply) -> None:
        self._worker.inject(read.Fields(params, "fault/inject").text("card"))
        reply({})

    def _shutdown(self, params: Any, reply: Reply) -> None:
        read.Fields(params, "shutdown").text("reason")
        reply({})
        self._main.stop()

    def _call(self, work: Callable[[], dict[str, Any]], phase: str, reply: Reply, *, may_wait_for_render: bool) -> None:
        """Queues `work` for the main thread and replies with what comes of it."""
        self._state.begin_call(may_wait_for_render=may_wait_for_render)

        def task() -> None:
            error = None
            try:
                result: Result = work()
            except Exception as thrown:  # noqa: BLE001, the supervisor waits for a response whatever was raised
                error = error_response_of(thrown, self._main.failed(thrown, phase))
            # The exception keeps its stack frames alive, and they keep the tensors. So the memory is freed here, after
            # the `except` block has let go of it.
            if error is not None:
                self._main.settle(error)
                result = error
            self._state.end_call()
            reply(result)

        self._main.post(task)


def error_response_of(thrown: Exception, failure: dict[str, Any]) -> ErrorResponse:
    """An exception as the protocol reports it; `failure` goes along unless the request itself was at fault."""
    if isinstance(thrown, InvalidParams):
        return ErrorResponse(INVALID_PARAMS, str(thrown))
    if isinstance(thrown, Busy):
        return ErrorResponse(BUSY, str(thrown))
    code = UNSUPPORTED if isinstance(thrown, Unsupported) else FAILED
    return ErrorResponse(code, str(thrown) or type(thrown).__name__, failure)
