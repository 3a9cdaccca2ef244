"""Releases the models of tests in this process, before a server loads its own."""

import contextlib
import ctypes
import gc
import sys
import weakref
from typing import Any

from ..workers.runner import LocalRunner

#: What runs the jobs of the tests in this process.
_RUNNERS: "weakref.WeakSet[LocalRunner]" = weakref.WeakSet()


def watch_models(app: Any) -> None:
    """Remember an app, whose model `release_models` releases."""
    runner = getattr(app, "extensions", {}).get("psc_model")
    if isinstance(runner, LocalRunner):
        _RUNNERS.add(runner)


def release_models() -> None:
    """Release the models of all apps; the next job of an app loads its model again."""
    for runner in list(_RUNNERS):
        runner.unload()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    # glibc keeps what lies below a block that is in use
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
