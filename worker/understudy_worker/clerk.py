"""Takes the supervisor's requests, on the link's thread: answers what needs no device, hands on what does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from understudy_worker import params as read
from understudy_worker.desk import Desk
from understudy_worker.errors import Busy, InvalidParams, Unsupported
from understudy_worker.failures import failure_of
from understudy_worker.link import Outcome, Reply
from understudy_worker.rpc import BUSY, FAILED, INVALID_PARAMS, UNSUPPORTED, Refusal
from understudy_worker.surface import PHASES, Job, Probe, Worker

Task = Callable[[], None]


class MainThread(Protocol):
    """What the main thread does when its turn comes. `post` and `stop` are called from any thread."""

    def post(self, task: Task) -> None: ...
    def stop(self) -> None: ...
    def render(self, job: Job) -> None: ...
    def load(self, model: str, profile: str) -> dict[str, Any]: ...
    def unload(self) -> dict[str, Any]: ...
    def act(self, action: str, profile: str | None) -> dict[str, Any]: ...
    def prove(self, probe: Probe) -> dict[str, Any]: ...
    def failed(self, thrown: Exception, phase: str) -> dict[str, Any]: ...
    def settle(self, refusal: Refusal) -> None: ...


class RequestClerk:
    def __init__(self, worker: Worker, desk: Desk, main: MainThread) -> None:
        self._worker = worker
        self._desk = desk
        self._main = main
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
        self._takers: dict[str, Callable[[Any, Reply], None]] = {
            "attach": lambda _, reply: reply(desk.attach()),
            "stats": lambda _, reply: reply(desk.stats()),
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

    def orphaned(self) -> None:
        if self._desk.render is None:
            self._main.stop()

    def take(self, method: str, params: Any, reply: Reply) -> None:
        taker = self._takers.get(method)
        if taker is None:
            reply(Refusal(UNSUPPORTED, f"{method} is not offered"))
            return
        try:
            taker(params, reply)
        except Exception as thrown:  # noqa: BLE001, the top of a call: whatever it is, the supervisor is answered
            reply(refusal_of(thrown, failure_of(thrown, "idle", None, None)))

    def _acknowledge(self, params: Any, reply: Reply) -> None:
        name = read.job_name("job/ack", params)
        self._desk.acknowledge(name.job_id, name.fence)
        reply({})

    def _cancel(self, params: Any, reply: Reply) -> None:
        name = read.job_name("cancel", params)
        self._desk.cancel(name.job_id, name.fence, lambda: reply({}))

    def _generate(self, params: Any, reply: Reply) -> None:
        job = read.job(params, self._worker.models)

        def check(resident: str | None) -> None:
            if resident != job.request.model:
                raise RuntimeError(f"{job.request.model} is not loaded")
            self._worker.admit(job)

        self._desk.admit(job, check)
        reply({"accepted": True})
        self._main.post(lambda: self._main.render(job))

    def _load(self, params: Any, reply: Reply) -> None:
        model, profile = read.load_order(params, self._worker.models)
        self._call(lambda: self._main.load(model, profile), "load", reply, beside_render=False)

    def _unload(self, _params: Any, reply: Reply) -> None:
        self._call(self._main.unload, "idle", reply, beside_render=False)

    def _act(self, params: Any, reply: Reply) -> None:
        action, profile = read.action_order(params)
        if action not in self._actions:
            raise Unsupported(f"{action} is not an action of this worker")
        self._call(lambda: self._main.act(action, profile), "idle", reply, beside_render=True)

    def _prove(self, params: Any, reply: Reply) -> None:
        probe = read.probe_order(params, self._worker.models)
        self._call(lambda: self._main.prove(probe), "idle", reply, beside_render=True)

    def _inject(self, params: Any, reply: Reply) -> None:
        self._worker.inject(read.Fields(params, "fault/inject").text("card"))
        reply({})

    def _shutdown(self, params: Any, reply: Reply) -> None:
        read.Fields(params, "shutdown").text("reason")
        reply({})
        self._main.stop()

    def _call(self, work: Callable[[], dict[str, Any]], phase: str, reply: Reply, *, beside_render: bool) -> None:
        self._desk.begin_call(beside_render=beside_render)

        def task() -> None:
            refusal = None
            try:
                outcome: Outcome = work()
            except Exception as thrown:  # noqa: BLE001, the top of a call: it is told as it was
                refusal = refusal_of(thrown, self._main.failed(thrown, phase))
            # Out of the `except` block: the exception holds the frames, and they hold the tensors.
            if refusal is not None:
                self._main.settle(refusal)
                outcome = refusal
            self._desk.end_call()
            reply(outcome)

        self._main.post(task)


def refusal_of(thrown: Exception, failure: dict[str, Any]) -> Refusal:
    if isinstance(thrown, InvalidParams):
        return Refusal(INVALID_PARAMS, str(thrown))
    if isinstance(thrown, Busy):
        return Refusal(BUSY, str(thrown))
    code = UNSUPPORTED if isinstance(thrown, Unsupported) else FAILED
    return Refusal(code, str(thrown) or type(thrown).__name__, failure)
