"""
Takes the latents out of a running pipeline, right before it would decode them, and ends its call there.

So decoding is a phase of its own that can be repeated or proved alone. Whatever a pipeline does to its latents before
the decode has happened by then: the tensors are the very ones that it would have decoded itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Latents:
    """The input of the VAE's decode."""

    tensor: torch.Tensor
    rest: tuple[Any, ...] = ()
    """The further arguments of the decode, such as a noise level."""


class LatentsCaptured(Exception):
    """Ends the pipeline's call and carries the latents out of it."""

    def __init__(self, latents: Latents) -> None:
        super().__init__("the latents are there")
        self.latents = latents


@contextmanager
def capturing_latents(vae: torch.nn.Module) -> Iterator[None]:
    """While it is open, `vae.decode` raises LatentsCaptured."""
    # An instance may have a decode of its own already, which hides the one of its class.
    own = vars(vae).get("decode")

    def capture(tensor: torch.Tensor, *rest: Any, return_dict: bool = True) -> Any:
        del return_dict
        raise LatentsCaptured(Latents(tensor, rest))

    vae.decode = capture  # type: ignore[assignment]
    try:
        yield
    finally:
        if own is None:
            del vae.decode
        else:
            vae.decode = own


@contextmanager
def on_first_forward(denoisers: list[torch.nn.Module], callback: Callable[[], None]) -> Iterator[None]:
    """
    Calls `callback` before the first forward pass of any of the networks: prompt and image are encoded by then. What it
    raises ends the pipeline's call.
    """
    hooks: list[Any] = []

    def first(*_: Any) -> None:
        remove()
        callback()

    def remove() -> None:
        while hooks:
            hooks.pop().remove()

    hooks.extend(module.register_forward_pre_hook(first) for module in denoisers)
    try:
        yield
    finally:
        remove()
