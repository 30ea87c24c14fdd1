"""What a pipeline is asked for, by the names that its own call takes. Any video pipeline of diffusers is called so."""

from __future__ import annotations

import inspect
from typing import Any

from PIL import Image

from understudy_worker.errors import ModelFilesError
from understudy_worker.pipelines.plan import Envelope
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.surface import RenderRequest

NEEDED = frozenset({"prompt", "height", "width", "num_frames", "num_inference_steps", "generator", "latents"})
OURS = frozenset({"output_type", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "image"})


def names_of(pipe: Any) -> frozenset[str]:
    return frozenset(inspect.signature(type(pipe).__call__).parameters)


def check_call(pipe: Any, entry: ModelEntry) -> None:
    """Raises ModelFilesError for a pipeline that cannot be asked for what the list of models says."""
    names, kind = names_of(pipe), type(pipe).__name__
    missing = (NEEDED | {"callback_on_step_end"}) - names
    if missing:
        raise ModelFilesError(f"{kind} renders no video step by step: its call takes no {', '.join(sorted(missing))}")
    for name in entry.arguments:
        if name not in names or name in NEEDED | OURS:
            raise ModelFilesError(f"the list of models gives {kind} the argument {name}, which it does not take")
    if entry.guidance_scale_2 is not None and "guidance_scale_2" not in names:
        raise ModelFilesError(f"{kind} has no second guidance, and the list of models names one")


def arguments_of(
    pipe: Any, entry: ModelEntry, request: RenderRequest, envelope: Envelope, picture: Image.Image | None
) -> dict[str, Any]:
    """Everything that decides the render; what this pipeline's call does not know is left out."""
    known: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": entry.negative_prompt,
        "height": envelope.height,
        "width": envelope.width,
        "num_frames": envelope.frames,
        "frame_rate": request.frames_per_second,
        "num_inference_steps": request.steps,
        "guidance_scale": entry.guidance_scale,
        "max_sequence_length": entry.max_sequence_length,
        **({} if entry.boundary_ratio is None else {"guidance_scale_2": entry.guidance_scale_2}),
        **({} if picture is None else {"image": picture}),
    }
    names = names_of(pipe)
    return {**{name: value for name, value in known.items() if name in names}, **entry.arguments}
