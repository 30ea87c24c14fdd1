"""The worker as a process of its own: kill -9, SIGTERM, exit codes, and the protocol over its socket."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import Supervisor
from conftest import FIXTURES, MakeJob, MakeWorker, ignore_step
from understudy_worker.mux import decoded_facts

StartWorker = Callable[..., Supervisor]
LONG = 40


@pytest.fixture
def start_worker(environment: dict[str, str]) -> Iterator[StartWorker]:
    made: list[Supervisor] = []

    def start(program: list[str] | None = None, **more: str) -> Supervisor:
        made.append(Supervisor({**environment, **more}, program))
        return made[-1]

    yield start
    for supervisor in made:
        supervisor.close()


@pytest.fixture(scope="module")
def shared_worker(environment: dict[str, str]) -> Iterator[Supervisor]:
    """One process with its model loaded, for tests that leave it as it was: a start takes seconds."""
    supervisor = Supervisor(environment)
    supervisor.load("T2V-A14B")
    yield supervisor
    supervisor.close()


@pytest.mark.parametrize("model", ["T2V-A14B", "I2V-A14B"])
def test_after_kill_9_a_new_process_renders_the_rest_and_the_file_is_the_same(
    start_worker: StartWorker, make_worker: MakeWorker, make_job: MakeJob, model: str
) -> None:
    whole, halved = (make_job(name, model=model, steps=LONG) for name in ("whole", "halved"))
    first = start_worker()
    first.load(model)
    first.generate(halved)
    first.wait_until(lambda: first.denoised_steps() >= 5)
    first.process.send_signal(signal.SIGKILL)
    assert first.exit_code() == -signal.SIGKILL
    assert not halved.output_path.exists()

    second = start_worker()
    second.load(model)
    second.generate(halved)
    second.wait_until(lambda: second.notified("completed") or second.notified("failed"))
    report = second.notified("completed")[0]

    # It was killed between two steps at the soonest, and every step was kept.
    assert report["resumed_from_step"] >= 5
    assert report["resumed_from_step"] + report["steps_rendered"] == LONG
    make_worker(model).render(whole, ignore_step)
    assert halved.output_path.read_bytes() == whole.output_path.read_bytes()


def test_on_sigterm_every_step_so_far_is_kept_and_the_process_ends_with_0(
    start_worker: StartWorker, make_job: MakeJob
) -> None:
    job = make_job(steps=LONG)
    # No checkpoint is due within the render: what is kept was kept by the signal.
    first = start_worker(UNDERSTUDY_CHECKPOINT_MS="3600000")
    first.load("T2V-A14B")
    first.generate(job)
    first.wait_until(lambda: first.denoised_steps() >= 3)
    first.process.send_signal(signal.SIGTERM)
    assert first.exit_code() == 0
    reached = first.denoised_steps()

    second = start_worker()
    second.load("T2V-A14B")
    second.generate(job)
    second.wait_until(lambda: second.notified("completed") or second.notified("failed"))
    assert second.notified("completed")[0]["resumed_from_step"] >= reached


def test_a_poisoned_device_is_told_and_the_process_ends_with_75(start_worker: StartWorker, make_job: MakeJob) -> None:
    worker = start_worker([str(FIXTURES / "faulty_worker.py")], UNDERSTUDY_TEST_FAULT="poison")
    worker.load("T2V-A14B")
    worker.generate(make_job())
    worker.wait_until(lambda: worker.notified("failed"))
    failure = worker.notified("failed")[0]["failure"]
    assert failure["exception_type"] == "torch.AcceleratorError"
    assert (failure["phase"], failure["device_usable"]) == ("denoise", False)
    assert worker.exit_code() == 75


def test_a_request_that_the_model_cannot_render_is_refused_before_it_begins(
    shared_worker: Supervisor, make_job: MakeJob
) -> None:
    worker = shared_worker
    refused = worker.generate(make_job(width=63))["error"]
    assert refused["data"]["exception_type"] == "understudy_worker.errors.RequestError"
    assert "even" in refused["message"]
    lora = worker.generate(make_job(lora_path="ink.safetensors"))["error"]
    assert lora["code"] == -32003
    assert lora["message"].startswith("LORA_UNSUPPORTED")
    assert worker.ask("attach")["result"]["job_id"] is None


@pytest.mark.parametrize("profile", ["model-offload", "group-offload", "fp8"])
def test_a_profile_that_cannot_be_had_here_is_unsupported_with_a_reason(
    shared_worker: Supervisor, profile: str
) -> None:
    worker = shared_worker
    worker.ask("model/load", model="T2V-A14B", profile="full")
    refused = worker.ask("model/load", model="T2V-A14B", profile=profile)["error"]
    assert refused["code"] == -32003
    assert profile in refused["message"]
    assert worker.ask("attach")["result"]["profile"] == "full", "what was refused has changed nothing"
    assert worker.ask("model/load", model="T2V-A14B", profile="tiling")["result"]["memory"]["allocated_bytes"] > 0
    assert worker.ask("attach")["result"]["profile"] == "tiling"


def test_an_action_says_what_it_applied_and_the_memory_before_and_after(shared_worker: Supervisor) -> None:
    worker = shared_worker
    worker.ask("model/load", model="T2V-A14B", profile="full")
    done = worker.ask("action/run", action="enable_cpu_offload")["result"]
    assert done["applied"] == ["profile tiling"]
    for memory in (done["before"], done["after"]):
        assert memory["total_bytes"] >= memory["reserved_bytes"] >= memory["allocated_bytes"] > 0
    assert worker.ask("attach")["result"]["profile"] == "tiling"
    refused = worker.ask("action/run", action="enable_cpu_offload", profile="group-offload")["error"]
    assert (refused["code"], "accelerator" in refused["message"]) == (-32003, True)
    assert worker.ask("action/run", action="restart_pipeline")["error"]["code"] == -32003
    assert worker.ask("attach")["result"]["profile"] == "tiling", "what was refused has changed nothing"


def test_a_prompt_is_never_written_to_the_log(shared_worker: Supervisor, make_job: MakeJob) -> None:
    worker = shared_worker
    worker.generate(make_job(prompt="a very private fox " * 40))
    worker.wait_until(lambda: worker.notified("completed") or worker.notified("failed"))
    assert "private" not in worker.log.read_text()


def test_the_example_worker_renders_with_a_function_of_its_own(start_worker: StartWorker, make_job: MakeJob) -> None:
    worker = start_worker([str(Path(__file__).parents[1] / "examples" / "painter.py")])
    worker.load("painter")
    job = make_job(model="painter", width=96, height=62, frames=7)
    worker.generate(job)
    worker.wait_until(lambda: worker.notified("completed") or worker.notified("failed"))
    facts = decoded_facts(job.output_path)
    assert (facts.width, facts.height, facts.frames) == (96, 62, 7)
    assert worker.ask("job/ack", job_id=job.job_id, fence=job.fence) == {"jsonrpc": "2.0", "id": 4, "result": {}}
    worker.ask("shutdown", reason="the test is over")
    assert worker.exit_code() == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"UNDERSTUDY_WORKER_SOCKET": ""}, "UNDERSTUDY_WORKER_SOCKET is missing"),
        ({"UNDERSTUDY_ORPHAN_MS": "soon"}, "UNDERSTUDY_ORPHAN_MS must be a number"),
        ({"UNDERSTUDY_DEVICE": "abacus"}, "UNDERSTUDY_DEVICE must be cuda or cpu"),
        ({"UNDERSTUDY_MODELS": "/nowhere.json"}, "cannot be read"),
        ({"UNDERSTUDY_WORKER_SOCKET": "/nowhere/at/all"}, "cannot be opened"),
    ],
)
def test_a_wrong_setting_ends_with_78_and_a_sentence_before_anything_heavy_is_imported(
    environment: dict[str, str], tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    for heavy in ("torch", "diffusers", "transformers"):
        (tmp_path / f"{heavy}.py").write_text(f"raise SystemExit('{heavy} was imported')", encoding="utf-8")
    given = {"UNDERSTUDY_WORKER_SOCKET": str(tmp_path / "s"), "UNDERSTUDY_WORKER_TOKEN": "t", **environment, **change}
    given["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"
    ended = subprocess.run(
        [sys.executable, "-B", "-m", "understudy_worker"], env=given, capture_output=True, timeout=90, check=False
    )
    assert ended.returncode == 78
    assert sentence in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
