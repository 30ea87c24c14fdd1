"""Loading a model: which files are refused, which mismatches are found, what a failed load leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conftest import MakeJob, MakeWorker, ignore_step
from understudy_worker.errors import ModelFilesError, Unsupported
from understudy_worker.failures import causes_of
from understudy_worker.pipelines.placement import is_tiled

WEIGHTS = "diffusion_pytorch_model"


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny, tmp_path / "models")
    return tmp_path / "models"


def test_weights_as_pickle_are_refused_before_anybody_opens_them(make_worker: MakeWorker, copied: Path) -> None:
    part = copied / "t2v" / "transformer_2"
    torch.save(load_file(part / f"{WEIGHTS}.safetensors"), part / f"{WEIGHTS}.bin")
    (part / f"{WEIGHTS}.safetensors").unlink()
    with pytest.raises(ModelFilesError, match=r"transformer_2 has its weights as pickle"):
        make_worker(UNDERSTUDY_MODELS_DIR=str(copied))


def test_a_model_that_is_not_there_is_said_as_diffusers_says_it(make_worker: MakeWorker, tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match=r"^Error no file named model_index\.json"):
        make_worker(UNDERSTUDY_MODELS_DIR=str(tmp_path))


def test_weights_that_were_cut_off_fail_the_load(make_worker: MakeWorker, copied: Path) -> None:
    path = copied / "t2v" / "transformer" / f"{WEIGHTS}.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OSError, match="Unable to load weights") as caught:
        make_worker(UNDERSTUDY_MODELS_DIR=str(copied))
    # diffusers says no more than that; what is wrong with the file stands in the chain, which is told too.
    assert any("Error while deserializing header" in cause for cause in causes_of(caught.value))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("_class_name", "WanVACEPipeline", "holds a WanVACEPipeline"), ("boundary_ratio", 0.5, "hands over at 0.5")],
)
def test_files_of_another_model_are_found_out(
    make_worker: MakeWorker, copied: Path, field: str, value: object, reason: str
) -> None:
    path = copied / "t2v" / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), field: value}), encoding="utf-8")
    with pytest.raises(ModelFilesError, match=reason):
        make_worker(UNDERSTUDY_MODELS_DIR=str(copied))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arguments": {"no_such": 1}}, "does not take"),
        ({"arguments": {"height": 64}}, "does not take"),
        ({"pipeline": "CogVideoXPipeline", "folder": "cogvideox", "flow_shift": 3.0}, "has no shift"),
    ],
)
def test_a_list_that_asks_for_what_the_pipeline_does_not_know_is_found_out(
    make_worker: MakeWorker, copied: Path, change: dict[str, object], reason: str
) -> None:
    path = copied / "models.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    listed["TI2V-5B"] = {**listed["CogVideoX"], **change} if "pipeline" in change else {**listed["TI2V-5B"], **change}
    path.write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(ModelFilesError, match=reason):
        make_worker("TI2V-5B", UNDERSTUDY_MODELS=str(path), UNDERSTUDY_MODELS_DIR=str(copied))


def test_a_shift_of_the_list_replaces_the_files_own(make_worker: MakeWorker, copied: Path) -> None:
    path = copied / "models.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    listed["T2V-A14B"]["flow_shift"] = 12.0
    path.write_text(json.dumps(listed), encoding="utf-8")
    worker = make_worker(UNDERSTUDY_MODELS=str(path), UNDERSTUDY_MODELS_DIR=str(copied))
    assert worker._require_model().pipe.scheduler.config.flow_shift == 12.0


def test_on_the_processor_tiling_works_and_what_needs_a_card_is_unsupported(
    make_worker: MakeWorker, make_job: MakeJob
) -> None:
    worker = make_worker(profile="tiling")
    assert is_tiled(worker._require_model().pipe)
    assert worker.render(make_job(), ignore_step).steps_rendered == 6
    assert worker.profiles == ("full", "tiling")
    with pytest.raises(Unsupported, match="accelerator"):
        make_worker(profile="model-offload")


def test_an_unloaded_model_is_gone_from_its_memory(make_worker: MakeWorker) -> None:
    worker = make_worker()
    assert worker.memory().allocated_bytes > 100_000
    worker.unload()
    assert worker.memory().allocated_bytes == 0


def test_each_part_has_the_precision_of_the_list(make_worker: MakeWorker, copied: Path) -> None:
    path = copied / "models.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    listed["T2V-A14B"]["dtype"] = "bfloat16"
    path.write_text(json.dumps(listed), encoding="utf-8")
    pipe = make_worker(UNDERSTUDY_MODELS=str(path), UNDERSTUDY_MODELS_DIR=str(copied))._require_model().pipe
    found = {name: getattr(pipe, name).dtype for name in ("text_encoder", "transformer", "transformer_2", "vae")}
    assert found == {
        "text_encoder": torch.bfloat16,
        "transformer": torch.bfloat16,
        "transformer_2": torch.bfloat16,
        "vae": torch.float32,
    }


def test_a_load_that_fails_leaves_nothing_behind(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker()

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("understudy_worker.pipelines.worker.place", full)
    with pytest.raises(torch.OutOfMemoryError):
        worker.load("T2V-A14B", "full", lambda _: None)
    assert worker.memory().allocated_bytes == 0
    with pytest.raises(RuntimeError, match="no model is loaded"):
        worker.actions()["enable_cpu_offload"](None)
