"""The way from latents to a file: the decode in tiles, the refusal of useless clips, the crop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import MakeJob, MakeWorker, ignore_step
from understudy_worker.errors import BadOutputError
from understudy_worker.mux import decoded_facts
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.worker import DiffusersWorker


def count_steps(worker: DiffusersWorker) -> list[int]:
    calls: list[int] = []
    for module in denoisers(worker._require_model().pipe):
        module.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def fail_decodes(vae: Any, monkeypatch: pytest.MonkeyPatch, times: int) -> list[bool]:
    """The next `times` decodes fill the VAE's cache and run out of memory; answers whether each was tiled."""
    decode, tiled = vae.decode, []

    def failing(latents: torch.Tensor, **rest: Any) -> Any:
        tiled.append(vae.use_tiling)
        if len(tiled) <= times:
            vae._feat_map = [torch.zeros(8)]
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB. GPU 0 has 1.00 GiB free.")
        return decode(latents, **rest)

    monkeypatch.setattr(vae, "decode", failing)
    return tiled


def test_a_decode_out_of_memory_is_done_again_in_tiles_and_no_step_is_repeated(
    make_worker: MakeWorker, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, job = make_worker(), make_job()
    vae = worker._require_model().pipe.vae
    calls, tiled = count_steps(worker), fail_decodes(vae, monkeypatch, 1)
    done = worker.render(job, ignore_step)
    assert tiled == [False, True]
    assert len(calls) == 2 * job.request.steps, "each step is two passes: with the prompt and without"
    assert done.steps_rendered == job.request.steps
    assert vae.use_tiling is False, "the next render decodes as before"
    assert decoded_facts(job.output_path).frames == job.request.frames


def test_a_second_shortage_is_the_renders_failure_and_its_denoising_is_kept(
    make_worker: MakeWorker, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, job = make_worker(), make_job()
    vae = worker._require_model().pipe.vae
    fail_decodes(vae, monkeypatch, 2)
    with pytest.raises(torch.OutOfMemoryError):
        worker.render(job, ignore_step)
    worker.settle(is_clean=False)
    assert not any(isinstance(kept, torch.Tensor) for kept in vae._feat_map), (
        "the cache of the failed decode is dropped"
    )
    assert worker.render(job, ignore_step).steps_rendered == 0


@pytest.mark.parametrize(
    ("paint", "reason"),
    [
        (lambda video: video * float("nan"), "no numbers"),
        (lambda video: video * 0 - 1, "black"),
        (lambda video: video * 0 + 0.5, "one colour"),
        (lambda video: video[:, :, :1].expand_as(video), "constant"),
    ],
)
def test_what_nobody_wants_to_see_is_no_result(
    make_worker: MakeWorker, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, paint: Any, reason: str
) -> None:
    worker, job = make_worker(), make_job()
    vae = worker._require_model().pipe.vae
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda *given, **rest: (paint(decode(*given, **rest)[0]),))
    with pytest.raises(BadOutputError, match=reason):
        worker.render(job, ignore_step)
    assert sorted(path.name for path in Path(job.output_path.parent).glob("*.mp4*")) == []


def test_a_size_that_is_not_legal_is_rendered_larger_and_cropped(make_worker: MakeWorker, make_job: MakeJob) -> None:
    worker, job = make_worker(), make_job(width=70, height=58, frames=6)
    done = worker.render(job, ignore_step)
    facts = decoded_facts(job.output_path)
    assert (done.width, done.height) == (80, 64)
    assert (facts.width, facts.height, facts.frames) == (70, 58, 6)


def test_a_list_of_models_that_does_not_fit_the_model_is_found_out(
    make_worker: MakeWorker, make_job: MakeJob, tiny: Path, tmp_path: Path
) -> None:
    listed = (tiny / "models.json").read_text(encoding="utf-8").replace('"size_step": 32', '"size_step": 16')
    (tmp_path / "models.json").write_text(listed, encoding="utf-8")
    worker = make_worker("TI2V-5B", UNDERSTUDY_MODELS=str(tmp_path / "models.json"))
    # diffusers would render 64x64 of the asked 80x64 with no more than a line in its log.
    with pytest.raises(RuntimeError, match="does not fit the model"):
        worker.render(make_job(model="TI2V-5B", width=80), ignore_step)
