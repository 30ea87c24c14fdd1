"""The worker that renders Wan 2.2 and other video pipelines with diffusers."""
