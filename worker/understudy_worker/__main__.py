"""Starts the diffusers worker: `python -m understudy_worker`, the command that the supervisor runs."""

from __future__ import annotations

import os

from understudy_worker.api import Worker
from understudy_worker.pipelines.options import read_options
from understudy_worker.serve import EXIT_CONFIGURATION, exit_now, log, serve


def prepare() -> None:
    """
    Sets the environment that Hugging Face's libraries and PyTorch read when they are imported, so it is called before
    them. Weights come from the supervisor's folder and never from the network.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def diffusers_worker() -> Worker:
    """Raises ConfigurationError for a wrong setting. Ends the process when a Python package is missing."""
    # The settings are read first: nobody should wait for seconds of imports to hear of a wrong one.
    options = read_options(os.environ)
    # The imports stand here because `prepare` must run before them, and because a missing package is reported as one
    # line that names the remedy, not as a traceback.
    try:
        import diffusers  # noqa: PLC0415
        import transformers  # noqa: PLC0415

        from understudy_worker.pipelines.worker import DiffusersWorker  # noqa: PLC0415
    except ImportError as thrown:
        log(f"A Python package of the worker is missing or broken: {thrown}. `npm run worker:install` installs them.")
        exit_now(EXIT_CONFIGURATION)
    # Their warnings quote prompts, which must not reach the log. Their progress bars would fill it, and the log is read
    # as evidence when the worker dies.
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    return DiffusersWorker(options)


if __name__ == "__main__":
    prepare()
    serve(diffusers_worker)
