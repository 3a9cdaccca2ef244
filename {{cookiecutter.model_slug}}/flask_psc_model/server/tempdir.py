"""Where temporary files can go."""

import os
import tempfile

CANDIDATES = ("/tmp", "/dev/shm")


def find_writable_folder() -> str:
    """Return the first folder that takes a file: `TMPDIR`, `/tmp` or `/dev/shm`.

    Python itself does not look in `/dev/shm`, which is all that a container with a
    read-only root file system may have.

    Raises:
        OSError: none of them takes a file.
    """
    candidates = [os.environ.get("TMPDIR") or CANDIDATES[0]]
    candidates += [folder for folder in CANDIDATES if folder not in candidates]
    for folder in candidates:
        try:
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise OSError(
        "no folder takes temporary files: make one of {} writable, or set TMPDIR".format(
            ", ".join(candidates)
        )
    )
