"""Checkpoints: a resumed render is the uninterrupted one, and what is no checkpoint of it is not used."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
import torch

from conftest import MakeJob, MakeWorker, ignore_step
from understudy_worker.api import Job
from understudy_worker.errors import Cancelled, Stopped
from understudy_worker.pipelines.checkpoint import FILE_NAME, CorruptCheckpoint, read_checkpoint
from understudy_worker.pipelines.fingerprint import fingerprint_of
from understudy_worker.pipelines.worker import DiffusersWorker


def final_latents(worker: DiffusersWorker, job: Job) -> torch.Tensor:
    loaded = worker._require_model()
    kept = read_checkpoint(job.checkpoint_dir, fingerprint_of(loaded.entry, job.request, loaded.pipe, None))
    assert kept is not None
    assert kept.is_final
    return kept.latents


def stop_at(worker: DiffusersWorker, step: int):  # type: ignore[no-untyped-def]
    """As the process does on SIGTERM: a checkpoint inside the step, then the end."""

    def on_step(phase: str, done: int, of: int, **_: object) -> None:
        if phase == "denoise" and done == step:
            worker.checkpoint()
            raise Stopped

    return on_step


@pytest.mark.parametrize(
    ("model", "step"),
    [
        # Of six steps with shift 3 two fall to the high-noise expert: before, at and after the boundary, and the last.
        ("T2V-A14B", 1),
        ("T2V-A14B", 2),
        ("T2V-A14B", 4),
        ("T2V-A14B", 6),
        ("I2V-A14B", 1),
        ("I2V-A14B", 4),
        ("TI2V-5B", 3),
        ("CogVideoX", 3),
        ("LTX-Video", 3),
        ("LTX-Video", 6),
    ],
)
def test_a_resumed_render_is_bit_for_bit_the_uninterrupted_one(
    make_worker: MakeWorker, make_job: MakeJob, model: str, step: int
) -> None:
    whole = make_job("whole", model=model)
    first = make_worker(model)
    first.render(whole, ignore_step)
    halved = make_job("halved", model=model)
    with pytest.raises(Stopped):
        first.render(halved, stop_at(first, step))
    assert not halved.output_path.exists()

    second = make_worker(model)
    done = second.render(halved, ignore_step)

    assert (done.resumed_from_step, done.steps_rendered) == (step, 6 - step)
    assert torch.equal(final_latents(second, halved), final_latents(second, whole))
    assert halved.output_path.read_bytes() == whole.output_path.read_bytes()


def test_a_finished_denoising_is_not_done_again(make_worker: MakeWorker, make_job: MakeJob) -> None:
    worker, job = make_worker(), make_job()
    worker.render(job, ignore_step)
    first = job.output_path.read_bytes()
    done = worker.render(job, ignore_step)
    assert (done.resumed_from_step, done.steps_rendered) == (6, 0)
    assert job.output_path.read_bytes() == first


def test_the_next_render_after_a_cancelled_one_is_as_if_it_had_never_been(
    make_worker: MakeWorker, make_job: MakeJob
) -> None:
    worker, other = make_worker(), make_job("other")
    worker.render(other, ignore_step)

    def cancel(phase: str, step: int, *_: object, **__: object) -> None:
        if phase == "denoise" and step == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        worker.render(make_job("cancelled", seed=9), cancel)
    worker.settle(is_clean=False)
    again = make_job("again")
    worker.render(again, ignore_step)
    assert again.output_path.read_bytes() == other.output_path.read_bytes()


def test_a_checkpoint_of_another_render_is_not_used(make_worker: MakeWorker, make_job: MakeJob) -> None:
    worker, job = make_worker(), make_job()
    worker.render(job, ignore_step)
    other = make_job(seed=4)
    done = worker.render(other, ignore_step)
    assert (done.resumed_from_step, done.steps_rendered) == (0, 6)


def test_a_checkpoint_of_other_weights_is_not_used(
    tiny: Path, tmp_path: Path, make_worker: MakeWorker, make_job: MakeJob
) -> None:
    """In the layout of the cache, and as a plain folder; the new file has the size of the old one."""
    for is_cache in (True, False):
        models = tmp_path / f"models-{is_cache}"
        shutil.copytree(tiny, models)
        weights = next((models / "t2v" / "vae").glob("*.safetensors"))
        content = weights.read_bytes()
        if is_cache:
            link_to_blob(weights, tmp_path / "blobs")
        job = make_job(f"job-{is_cache}")
        settings = {"UNDERSTUDY_MODELS": str(models / "models.json"), "UNDERSTUDY_MODELS_DIR": str(models)}
        make_worker(**settings).render(job, ignore_step)
        assert make_worker(**settings).render(job, ignore_step).resumed_from_step == 6
        weights.unlink()
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if is_cache:
            link_to_blob(weights, tmp_path / "blobs")
        assert make_worker(**settings).render(job, ignore_step).resumed_from_step == 0


def link_to_blob(path: Path, blobs: Path) -> None:
    blobs.mkdir(exist_ok=True)
    blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(blob)
    path.symlink_to(blob)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_a_corrupt_checkpoint_is_refused_and_the_render_begins_anew(
    make_worker: MakeWorker, make_job: MakeJob, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    worker, job = make_worker(), make_job()
    with pytest.raises(Stopped):
        worker.render(job, stop_at(worker, 4))
    path = job.checkpoint_dir / FILE_NAME
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes({"flipped": bytes(content), "truncated": bytes(content[:-9]), "empty": b""}[damage])

    with pytest.raises(CorruptCheckpoint):
        read_checkpoint(job.checkpoint_dir, "any")
    done = worker.render(job, ignore_step)

    assert (done.resumed_from_step, done.steps_rendered) == (0, 6)
    assert "checkpoint refused" in capsys.readouterr().err


def test_half_a_checkpoint_never_takes_the_place_of_a_whole_one(make_worker: MakeWorker, make_job: MakeJob) -> None:
    worker, job = make_worker(), make_job()
    with pytest.raises(Stopped):
        worker.render(job, stop_at(worker, 4))
    (job.checkpoint_dir / FILE_NAME).with_suffix(".new").write_bytes(b"cut off in the mid")
    assert worker.render(job, ignore_step).resumed_from_step == 4


def test_a_full_disk_costs_the_checkpoint_and_not_the_render(
    make_worker: MakeWorker, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, job = make_worker(), make_job()
    sync = os.fsync
    failed: list[int] = []

    def full(handle: int) -> None:
        if not failed:
            failed.append(handle)
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert worker.render(job, ignore_step).steps_rendered == 6
    assert "no room for the checkpoint of step 1" in capsys.readouterr().err
    assert [path.name for path in job.checkpoint_dir.iterdir()] == [FILE_NAME]
