"""LoRAs of a job: their effect, their removal, and which are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from conftest import MakeJob, MakeWorker, ignore_step
from understudy_worker.api import Lora
from understudy_worker.errors import LoraUnsupported, RequestError

RANK, INNER = 2, 24


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    (folder / "styles").mkdir(parents=True)
    torch.manual_seed(5)
    weights = {}
    for name in ("to_q", "to_v"):
        weights[f"transformer.blocks.0.attn1.{name}.lora_A.weight"] = torch.randn(RANK, INNER)
        weights[f"transformer.blocks.0.attn1.{name}.lora_B.weight"] = torch.randn(INNER, RANK)
    save_file(weights, folder / "styles" / "ink.safetensors")
    save_file({"unet.other.weight": torch.ones(2, 2)}, folder / "foreign.safetensors")
    save_file({}, folder / "empty.safetensors")
    (folder / "broken.safetensors").write_bytes(b"<html>not found</html>")
    torch.save(weights, folder / "pickle.pt")
    save_file(weights, tmp_path / "outside.safetensors")
    return folder


def test_a_lora_changes_the_render_by_its_strength_and_leaves_the_model_as_it_was(
    make_worker: MakeWorker, make_job: MakeJob, loras: Path
) -> None:
    worker = make_worker(UNDERSTUDY_LORA_DIR=str(loras))
    seen = {}
    asked: dict[str, dict[str, object]] = {
        "plain": {},
        "full": {"lora_path": "styles/ink.safetensors", "lora_strength": 1.0},
        "half": {"lora_path": "styles/ink.safetensors", "lora_strength": 0.5},
        "low": {"loras": (Lora("styles/ink.safetensors", 1.0, "low"),)},
        "high": {"loras": (Lora("styles/ink.safetensors", 1.0, "high"),)},
        "plain again": {},
    }
    for name, fields in asked.items():
        job = make_job(name, **fields)
        worker.admit(job)
        worker.render(job, ignore_step)
        seen[name] = job.output_path.read_bytes()
    assert seen["plain"] == seen["plain again"]
    assert len({seen[name] for name in ("plain", "full", "half", "low", "high")}) == 5


@pytest.mark.parametrize(
    ("name", "refusal", "reason"),
    [
        ("pickle.pt", LoraUnsupported, "run code"),
        ("broken.safetensors", LoraUnsupported, "whole safetensors"),
        ("empty.safetensors", LoraUnsupported, "no weights"),
        ("missing.safetensors", RequestError, "there is no LoRA"),
        ("../outside.safetensors", RequestError, "below"),
    ],
)
def test_what_is_no_lora_of_ours_is_refused_before_the_render(
    make_worker: MakeWorker, make_job: MakeJob, loras: Path, name: str, refusal: type[Exception], reason: str
) -> None:
    worker = make_worker(UNDERSTUDY_LORA_DIR=str(loras))
    with pytest.raises(refusal, match=reason):
        worker.admit(make_job(lora_path=name))


def test_a_lora_for_the_second_expert_of_a_model_with_one_is_unsupported(
    make_worker: MakeWorker, make_job: MakeJob, loras: Path
) -> None:
    worker = make_worker("TI2V-5B", UNDERSTUDY_LORA_DIR=str(loras))
    with pytest.raises(LoraUnsupported, match=r"^LORA_UNSUPPORTED: .*one expert"):
        worker.admit(make_job(model="TI2V-5B", loras=(Lora("styles/ink.safetensors", 1.0, "low"),)))


def test_a_lora_of_another_model_fails_the_job_and_is_taken_off_again(
    make_worker: MakeWorker, make_job: MakeJob, loras: Path
) -> None:
    worker = make_worker(UNDERSTUDY_LORA_DIR=str(loras))
    with pytest.raises(LoraUnsupported, match="this model"):
        worker.render(make_job("foreign", lora_path="foreign.safetensors"), ignore_step)
    plain, again = make_job("plain"), make_job("again")
    worker.render(plain, ignore_step)
    make_worker().render(again, ignore_step)
    assert plain.output_path.read_bytes() == again.output_path.read_bytes()


def test_without_a_directory_of_loras_none_is_taken(make_worker: MakeWorker, make_job: MakeJob) -> None:
    with pytest.raises(LoraUnsupported, match="no directory"):
        make_worker().admit(make_job(lora_path="styles/ink.safetensors"))
