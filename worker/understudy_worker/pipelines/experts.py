"""Finds the networks of a pipeline that denoise: one, or two experts that share the steps by noise level."""

from __future__ import annotations

from typing import Any

import torch

COMPONENTS = ("transformer", "transformer_2", "unet")


def denoisers(pipe: Any) -> list[torch.nn.Module]:
    """In the order in which they take their steps. What is changed on one expert must be changed on both."""
    found = (getattr(pipe, name, None) for name in COMPONENTS)
    return [module for module in found if module is not None]
