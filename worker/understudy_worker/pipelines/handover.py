"""
Where a pipeline's denoising ends: what it is about to give its VAE is taken from it, and its call ends there.

So the decode is a phase of its own, whatever a pipeline does to its latents before it, and it is given the very tensors
that the pipeline would have decoded itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Latents:
    """The VAE's own input."""

    tensor: torch.Tensor
    rest: tuple[Any, ...] = ()
    """Further arguments of its decode, such as a noise level."""


class HandedOver(Exception):
    """The denoising is done."""

    def __init__(self, latents: Latents) -> None:
        super().__init__("the latents are there")
        self.latents = latents


@contextmanager
def handing_over(vae: torch.nn.Module) -> Iterator[None]:
    """Within it `vae.decode` raises HandedOver."""
    own = vars(vae).get("decode")

    def take(tensor: torch.Tensor, *rest: Any, return_dict: bool = True) -> Any:
        del return_dict
        raise HandedOver(Latents(tensor, rest))

    vae.decode = take  # type: ignore[assignment]
    try:
        yield
    finally:
        if own is None:
            del vae.decode
        else:
            vae.decode = own


@contextmanager
def noticing_first_pass(denoisers: list[torch.nn.Module], notice: Callable[[], None]) -> Iterator[None]:
    """Calls `notice` before the first pass of any: prompt and picture are encoded. What it raises ends the call."""
    hooks: list[Any] = []

    def first(*_: Any) -> None:
        remove()
        notice()

    def remove() -> None:
        while hooks:
            hooks.pop().remove()

    hooks.extend(module.register_forward_pre_hook(first) for module in denoisers)
    try:
        yield
    finally:
        remove()
