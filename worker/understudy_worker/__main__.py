"""`python -m understudy_worker`: the diffusers worker, as the supervisor starts it."""

from __future__ import annotations

import os

from understudy_worker.pipelines.options import read_options
from understudy_worker.serve import EXIT_CONFIGURATION, quit_now, say, serve
from understudy_worker.surface import Worker


def prepare() -> None:
    """Before anything of Hugging Face is imported: weights come from the supervisor's folder, not from the network."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def diffusers_worker() -> Worker:
    # A wrong setting is told at once, and not after the seconds that the imports take.
    options = read_options(os.environ)
    # Imported here: the environment comes first, and a package that is missing is a sentence, not a traceback.
    try:
        import diffusers  # noqa: PLC0415
        import transformers  # noqa: PLC0415

        from understudy_worker.pipelines.worker import DiffusersWorker  # noqa: PLC0415
    except ImportError as thrown:
        say(f"A Python package of the worker is missing or broken: {thrown}. `npm run worker:install` installs them.")
        quit_now(EXIT_CONFIGURATION)
    # Their warnings quote prompts, and their progress bars fill a log that is read as evidence.
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    return DiffusersWorker(options)


if __name__ == "__main__":
    prepare()
    serve(diffusers_worker)
