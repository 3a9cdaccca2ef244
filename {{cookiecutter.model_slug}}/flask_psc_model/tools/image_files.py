"""Whether an image has the files that the repository has now."""

import contextlib
import os
import tempfile
import uuid
from typing import List

from .checklist.imports import list_own_files
from .containers.engine import Engine, EngineError

#: What an image has besides the code of the model.
FILES = ("model.yaml", "entrypoint.sh", "flask_psc_model/version.py")

#: The number of files to name.
SHOWN = 3


def find_outdated(engine: Engine, image: str, folder: str) -> List[str]:
    """Return the files of a repository that are different in an image.

    Files that the image has elsewhere, or does not have, are skipped.

    Args:
        engine: has the image.
        image: its name.
        folder: of the repository.

    Raises:
        EngineError: the engine fails.
        OSError: a file cannot be read.
        ValueError: a file of the model is not Python.
    """
    workdir = engine.inspect_image(image)["Config"].get("WorkingDir") or "/"
    names = sorted({*FILES, *list_own_files(folder)})
    container = "psc-" + uuid.uuid4().hex[:12]
    outdated = []
    with tempfile.TemporaryDirectory(prefix="psc-") as temporary:
        copy = os.path.join(temporary, "copy")
        try:
            # no program of the image runs
            engine.call("create", "--name", container, image, "probe")
            for name in names:
                path = os.path.join(folder, name)
                source = f"{container}:{os.path.join(workdir, name)}"
                # a link may lead nowhere here
                with contextlib.suppress(EngineError, FileNotFoundError):
                    engine.call("cp", source, copy)
                    if os.path.isfile(path) and _read(path) != _read(copy):
                        outdated.append(name)
        finally:
            with contextlib.suppress(EngineError):
                engine.call("rm", "--force", container)
    return outdated


def describe_outdated(names: List[str]) -> str:
    """Return what the files that `find_outdated` found mean, and what to do."""
    files = " and ".join(f"another {name}" for name in names[:SHOWN])
    return f"has {files} than this folder: build the image again"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
