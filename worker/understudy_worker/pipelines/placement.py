"""Load profiles: how a pipeline lies on the card, from most to least memory. Some can be changed in place."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.hooks import apply_group_offloading

from understudy_worker.errors import Unsupported
from understudy_worker.pipelines.device import TorchDevice
from understudy_worker.pipelines.experts import denoisers

OFFERED = ("full", "model-offload", "tiling", "group-offload")
ON_PROCESSOR = ("full", "tiling")
IN_PLACE = frozenset({"full", "model-offload", "tiling"})
"""Between these nothing is read from disk again. Group offload has no public way back: it is a reload."""


def profiles_of(device: TorchDevice) -> tuple[str, ...]:
    return OFFERED if device.is_cuda else ON_PROCESSOR


def why_not(profile: str) -> str:
    if profile not in OFFERED:
        return f"the profile {profile} is not offered: its casting cannot be undone and takes no LoRA"
    return f"the profile {profile} moves weights between the host and an accelerator, and this machine has none"


def place(pipe: Any, profile: str, device: TorchDevice) -> None:
    """Raises Unsupported for a profile that cannot be had here."""
    if profile not in profiles_of(device):
        raise Unsupported(why_not(profile))
    set_tiling(pipe, is_on=profile in ("tiling", "group-offload"))
    if not device.is_cuda:
        return
    if profile == "full":
        pipe.to(device.device)
    elif profile == "group-offload":
        _offload_groups(pipe, device.device)
    else:
        pipe.enable_model_cpu_offload(device=device.device)


def move(pipe: Any, to: str, device: TorchDevice) -> None:
    """From one in-place profile to another. Without taking the hooks away `.to()` would only warn."""
    if device.is_cuda:
        pipe.remove_all_hooks()
    place(pipe, to, device)


def set_tiling(pipe: Any, *, is_on: bool) -> bool:
    """Whether anything has changed."""
    if is_tiled(pipe) == is_on:
        return False
    if is_on:
        pipe.vae.enable_tiling()
    else:
        pipe.vae.disable_tiling()
    return True


def is_tiled(pipe: Any) -> bool:
    return bool(getattr(pipe.vae, "use_tiling", False))


def _offload_groups(pipe: Any, device: torch.device) -> None:
    host = torch.device("cpu")
    for module in denoisers(pipe):
        module.enable_group_offload(  # type: ignore[operator]
            onload_device=device,
            offload_device=host,
            offload_type="leaf_level",
            use_stream=True,
            # Pinned as it is needed: all at once would double what the host holds.
            low_cpu_mem_usage=True,
        )
    apply_group_offloading(
        pipe.text_encoder,
        onload_device=device,
        offload_device=host,
        offload_type="block_level",
        num_blocks_per_group=4,
    )
    # The VAE stays: tiled decoding with streams would need a forward pass of its own first.
    pipe.vae.to(device)
