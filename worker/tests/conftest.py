"""Fixtures of all tests: tiny models, built once a run, workers that have loaded one of them, and jobs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Threads of a tiny model wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from understudy_worker.__main__ import prepare

prepare()

from understudy_worker.api import Job, RenderRequest  # noqa: E402
from understudy_worker.pipelines.options import read_options  # noqa: E402, offline first
from understudy_worker.pipelines.worker import DiffusersWorker  # noqa: E402, offline first

FIXTURES = Path(__file__).parents[2] / "test" / "fixtures" / "tiny-wan"
MODELS = ("T2V-A14B", "I2V-A14B", "TI2V-5B", "CogVideoX", "LTX-Video")

MakeWorker = Callable[..., DiffusersWorker]
MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("tiny_wan", FIXTURES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    folder = tmp_path_factory.mktemp("tiny")
    builder.build(folder)
    return folder


@pytest.fixture(scope="session")
def environment(tiny: Path) -> dict[str, str]:
    """The environment of a worker process that renders with the tiny models."""
    return {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "UNDERSTUDY_MODELS": str(tiny / "models.json"),
        "UNDERSTUDY_MODELS_DIR": str(tiny),
        "UNDERSTUDY_DEVICE": "cpu",
        "UNDERSTUDY_CHECKPOINT_MS": "1",
    }


@pytest.fixture
def make_worker(environment: dict[str, str]) -> MakeWorker:
    def make(model: str = "T2V-A14B", profile: str = "full", **more: str) -> DiffusersWorker:
        worker = DiffusersWorker(read_options({**environment, **more}))
        worker.load(model, profile, lambda _: None)
        return worker

    return make


@pytest.fixture(scope="session")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "first.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def make_job(tmp_path: Path, image_file: Path) -> MakeJob:
    def make(name: str = "job", **fields: object) -> Job:
        model = fields.get("model", "T2V-A14B")
        given = {
            "model": model,
            "prompt": "a red fox",
            "width": 64,
            "height": 64,
            "frames": 5,
            "frames_per_second": 16.0,
            "steps": 6,
            "seed": 3,
            "image_path": str(image_file) if model == "I2V-A14B" else None,
        }
        request = RenderRequest(**{**given, **fields})  # type: ignore[arg-type]
        return Job(name, 1, request, None, tmp_path / f"{name}.mp4", tmp_path / f"{name}-checkpoints")

    return make


def ignore_step(*_: object, **__: object) -> None:
    """An `on_step` that does nothing."""
