"""
Builds the arguments with which a diffusers pipeline is called.

The signature of the pipeline's own call decides which arguments it gets, so nothing here is written for one pipeline.
"""

from __future__ import annotations

import inspect
from typing import Any

from PIL import Image

from understudy_worker.api import RenderRequest
from understudy_worker.errors import ModelFilesError
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.pipelines.render_size import RenderSize

REQUIRED = frozenset({"prompt", "height", "width", "num_frames", "num_inference_steps", "generator", "latents"})
"""Parameters without which a render cannot be described or resumed."""
RESERVED = frozenset({"output_type", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "image"})
"""Parameters that the worker sets itself, so that the list of models may not."""


def parameters_of(pipe: Any) -> frozenset[str]:
    """Names of the parameters that the pipeline's call takes."""
    return frozenset(inspect.signature(type(pipe).__call__).parameters)


def check_signature(pipe: Any, entry: ModelEntry) -> None:
    """Raises ModelFilesError for a pipeline that does not take what the list of models wants to give it."""
    names, kind = parameters_of(pipe), type(pipe).__name__
    missing = (REQUIRED | {"callback_on_step_end"}) - names
    if missing:
        raise ModelFilesError(f"{kind} renders no video step by step: its call takes no {', '.join(sorted(missing))}")
    for name in entry.arguments:
        if name not in names or name in REQUIRED | RESERVED:
            raise ModelFilesError(f"the list of models gives {kind} the argument {name}, which it does not take")
    if entry.guidance_scale_2 is not None and "guidance_scale_2" not in names:
        raise ModelFilesError(f"{kind} has no second guidance, and the list of models names one")


def call_arguments(
    pipe: Any, entry: ModelEntry, request: RenderRequest, size: RenderSize, image: Image.Image | None
) -> dict[str, Any]:
    """Everything that decides the render, less what this pipeline's call does not take."""
    known: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": entry.negative_prompt,
        "height": size.height,
        "width": size.width,
        "num_frames": size.frames,
        "frame_rate": request.frames_per_second,
        "num_inference_steps": request.steps,
        "guidance_scale": entry.guidance_scale,
        "max_sequence_length": entry.max_sequence_length,
        **({} if entry.boundary_ratio is None else {"guidance_scale_2": entry.guidance_scale_2}),
        **({} if image is None else {"image": image}),
    }
    names = parameters_of(pipe)
    return {**{name: value for name, value in known.items() if name in names}, **entry.arguments}
