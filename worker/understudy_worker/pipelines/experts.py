"""The networks that take the steps: one, or two that share them by noise level."""

from __future__ import annotations

from typing import Any

import torch

NAMES = ("transformer", "transformer_2", "unet")


def denoisers(pipe: Any) -> list[torch.nn.Module]:
    """Both experts where there are two: whatever is done to one is done to the other."""
    found = (getattr(pipe, name, None) for name in NAMES)
    return [module for module in found if module is not None]
