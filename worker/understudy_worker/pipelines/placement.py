"""
Places a pipeline on the card according to its load profile.

The profiles range from everything on the card to weights that are moved block by block: less memory, slower renders.
"""

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
"""Profiles between which a loaded model can change. Group offload cannot be undone, so it takes a reload."""


def profiles_of(device: TorchDevice) -> tuple[str, ...]:
    return OFFERED if device.is_cuda else ON_PROCESSOR


def why_not(profile: str) -> str:
    if profile not in OFFERED:
        return f"the profile {profile} is not offered: its casting cannot be undone and takes no LoRA"
    return f"the profile {profile} moves weights between the host and an accelerator, and this machine has none"


def place(pipe: Any, profile: str, device: TorchDevice) -> None:
    """Raises Unsupported for a profile that this machine does not offer."""
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
    """
    Changes from one in-place profile to another. The hooks of the old one are removed first: with them diffusers would
    only warn and move nothing.
    """
    if device.is_cuda:
        pipe.remove_all_hooks()
    place(pipe, to, device)


def set_tiling(pipe: Any, *, is_on: bool) -> bool:
    """Returns whether that was a change."""
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
            # Host memory is pinned block by block: pinning all of it at once would double what the host holds.
            low_cpu_mem_usage=True,
        )
    apply_group_offloading(
        pipe.text_encoder,
        onload_device=device,
        offload_device=host,
        offload_type="block_level",
        num_blocks_per_group=4,
    )
    # The VAE stays on the card: with streams its tiled decode would need a forward pass beforehand.
    pipe.vae.to(device)
