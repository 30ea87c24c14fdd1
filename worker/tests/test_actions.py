"""Recovery actions and proofs of the diffusers worker, on tiny models on the processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import MakeJob, MakeWorker, ignore_step
from understudy_worker.api import PHASES, Probe
from understudy_worker.errors import Unsupported
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.placement import is_tiled


def processors_of(module: Any) -> list[Any]:
    return list(module.attn_processors.values())


def test_a_cache_that_a_failed_decode_left_is_dropped_and_said_and_nothing_is_claimed_twice(
    make_worker: MakeWorker,
) -> None:
    worker = make_worker()
    worker._require_model().pipe.vae._feat_map = [torch.zeros(8), None]
    clear = worker.actions()["clear_gpu_cache"]
    assert clear(None).applied == ["vae.clear_cache"]
    assert clear(None).applied == []


def test_tiling_is_turned_on_and_off_in_place(make_worker: MakeWorker) -> None:
    worker = make_worker()
    optimise = worker.actions()["apply_vram_optimization"]
    assert optimise(None).applied == ["vae.enable_tiling"]
    assert is_tiled(worker._require_model().pipe)
    assert optimise(None).applied == []
    assert optimise("full").applied == ["vae.disable_tiling"]
    assert not is_tiled(worker._require_model().pipe)


def test_the_attention_backend_of_the_list_is_set_on_both_experts(
    make_worker: MakeWorker, make_job: MakeJob, tiny: Path, tmp_path: Path
) -> None:
    listed = json.loads((tiny / "models.json").read_text(encoding="utf-8"))
    listed["T2V-A14B"]["lean_attention"] = "_native_math"
    (tmp_path / "models.json").write_text(json.dumps(listed), encoding="utf-8")
    worker = make_worker(UNDERSTUDY_MODELS=str(tmp_path / "models.json"))
    optimise = worker.actions()["apply_vram_optimization"]
    assert "attention _native_math" in optimise(None).applied
    backends = [
        {processor._attention_backend.value for processor in processors_of(module)}
        for module in denoisers(worker._require_model().pipe)
    ]
    assert backends == [{"_native_math"}, {"_native_math"}]
    assert worker.render(make_job(), ignore_step).steps_rendered == 6
    assert "attention reset" in optimise("full").applied


def test_the_next_leaner_profile_is_taken_in_place_and_the_way_back_too(make_worker: MakeWorker) -> None:
    worker = make_worker()
    pipe = worker._require_model().pipe
    offload = worker.actions()["enable_cpu_offload"]
    done = offload(None)
    assert (done.applied, done.profile) == (["profile tiling"], "tiling")
    assert is_tiled(pipe)
    assert offload(None).applied == (), "there is none below it on this machine"
    assert offload("full").profile == "full"
    assert not is_tiled(pipe)
    assert worker._require_model().pipe is pipe, "nothing was read again"
    with pytest.raises(Unsupported, match="accelerator"):
        offload("model-offload")


@pytest.mark.parametrize(
    ("model", "experts"), [("T2V-A14B", 2), ("I2V-A14B", 2), ("TI2V-5B", 1), ("CogVideoX", 1), ("LTX-Video", 1)]
)
def test_a_canary_uses_every_expert_and_leaves_the_boundary_where_it_was(
    make_worker: MakeWorker, model: str, experts: int
) -> None:
    worker = make_worker(model)
    loaded = worker._require_model()
    assert worker.prove(Probe(kind="canary", model=model), ignore_step) == experts
    assert getattr(loaded.pipe.config, "boundary_ratio", None) == loaded.entry.boundary_ratio


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_is_proved_at_the_size_of_a_request(make_worker: MakeWorker, make_job: MakeJob, phase: str) -> None:
    worker, job = make_worker(), make_job()
    probe = Probe(kind="phase", phase=phase, request=job.request, checkpoint_dir=job.checkpoint_dir)  # type: ignore[arg-type]
    assert worker.prove(probe, ignore_step) == 1
    assert not job.output_path.exists()


def test_a_phase_that_still_fails_is_not_proved(
    make_worker: MakeWorker, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, job = make_worker(profile="tiling"), make_job()
    worker.render(job, ignore_step)

    def run_out_of_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(worker._require_model().pipe.vae, "decode", run_out_of_memory)
    probe = Probe(kind="phase", phase="decode", request=job.request, checkpoint_dir=job.checkpoint_dir)
    with pytest.raises(torch.OutOfMemoryError):
        worker.prove(probe, ignore_step)
