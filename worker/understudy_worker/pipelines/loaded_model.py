"""The model that is loaded: its pipelines, and its entry in the list of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from understudy_worker.pipelines.registry import ModelEntry


@dataclass(frozen=True)
class LoadedModel:
    pipe: Any
    entry: ModelEntry
    image_pipe: Any
    """The pipeline that begins from an image. It is `pipe` itself where one class does both."""

    def pipe_for(self, image_path: str | None) -> Any:
        return self.pipe if image_path is None else self.image_pipe
