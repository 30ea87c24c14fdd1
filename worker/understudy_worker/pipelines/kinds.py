"""The pipeline classes of diffusers that are known, and how their latents become pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Decode = Callable[[Any, torch.Tensor, int], torch.Tensor]
"""Pipeline, latents and frame count to a video of 1 × 3 × frames × height × width, from -1 to 1."""


def _decode_wan(pipe: Any, latents: torch.Tensor, _frames: int) -> torch.Tensor:
    config = pipe.vae.config
    latents = latents.to(pipe._execution_device, pipe.vae.dtype)
    shape = (1, config.z_dim, 1, 1, 1)
    mean = torch.tensor(config.latents_mean).view(shape).to(latents.device, latents.dtype)
    # As the pipeline itself computes it: x / (1 / std) and x * std differ in the last bit.
    inverse = 1.0 / torch.tensor(config.latents_std).view(shape).to(latents.device, latents.dtype)
    video: torch.Tensor = pipe.vae.decode(latents / inverse + mean, return_dict=False)[0]
    return video


def _decode_cogvideox(pipe: Any, latents: torch.Tensor, frames: int) -> torch.Tensor:
    # CogVideoX 1.5 pads in front, to a multiple of the patch in time.
    latent_frames = (frames - 1) // pipe.vae_scale_factor_temporal + 1
    latents = latents[:, latents.shape[1] - latent_frames :].to(pipe._execution_device, pipe.vae.dtype)
    video: torch.Tensor = pipe.decode_latents(latents)
    return video


@dataclass(frozen=True)
class Kind:
    decode: Decode
    image_class: str | None = None
    """The class that begins from a picture with the same components; its own name where it always does."""
    has_experts: bool = False


KINDS: dict[str, Kind] = {
    "WanPipeline": Kind(_decode_wan, image_class="WanImageToVideoPipeline", has_experts=True),
    "WanImageToVideoPipeline": Kind(_decode_wan, image_class="WanImageToVideoPipeline", has_experts=True),
    "CogVideoXPipeline": Kind(_decode_cogvideox),
}


def denoisers(pipe: Any) -> list[torch.nn.Module]:
    """Both experts where there are two: whatever is done to one is done to the other."""
    found = (getattr(pipe, name, None) for name in ("transformer", "transformer_2"))
    return [module for module in found if module is not None]
