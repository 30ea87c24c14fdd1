"""
The pipeline bare, without worker or service: loaded once, one render for each line of standard input, its seconds on
standard output. Everything that a person would write down, and nothing that the service adds.

    python bare_render.py FOLDER OUTPUT
"""

from __future__ import annotations

import json
import sys
import time

import diffusers
import imageio_ffmpeg
import numpy as np
import torch

ENCODING = ["-crf", "18", "-preset", "medium", "-movflags", "+faststart", "-f", "mp4"]


def render(pipe: diffusers.DiffusionPipeline, asked: dict[str, object], path: str) -> None:
    width, height, frames = asked["width"], asked["height"], asked["frames"]
    video = pipe(
        prompt=asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        width=width,
        height=height,
        num_frames=frames,
        num_inference_steps=asked["steps"],
        guidance_scale=3.5,
        guidance_scale_2=3.0,
        max_sequence_length=32,
        generator=torch.Generator("cpu").manual_seed(7),
        output_type="np",
    ).frames[0]
    writer = imageio_ffmpeg.write_frames(
        path, (width, height), fps=16, codec="libx264", quality=None, macro_block_size=1, output_params=ENCODING
    )
    writer.send(None)
    for picture in (video * 255).round().astype("uint8"):
        writer.send(np.ascontiguousarray(picture))
    writer.close()


def main(folder: str, output: str) -> None:
    pipe = diffusers.WanPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    for line in sys.stdin:
        began = time.perf_counter()
        render(pipe, json.loads(line), output)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
