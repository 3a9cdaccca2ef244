"""The folder for temporary files."""

import os
import tempfile

CANDIDATES = ("/tmp", "/dev/shm")


def find_tempdir() -> str:
    """Return the first writable folder of `TMPDIR`, `/tmp` and `/dev/shm`.

    Python's `tempfile` does not try `/dev/shm`, which may be the only writable folder
    in a container with a read-only root file system.

    Raises:
        OSError: none of them is writable.
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
        f"there is no folder for temporary files: make one of {', '.join(candidates)}"
        " writable, or set TMPDIR"
    )
