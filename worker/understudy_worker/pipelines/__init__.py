"""The diffusers worker: Wan 2.2 and other video pipelines, rendered through diffusers."""
