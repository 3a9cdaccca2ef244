"""Models that write outputs, well or badly, and the check of what becomes of them."""

import os
import shutil

from .apps import check, make_client

NAMES = ("results.json", "more.json")


def run_job(job, run, outputs="results.json", code=200, message=None):
    """Run a job with a model made of one function, and check the answer."""
    client = make_client(run, outputs=outputs)
    return check(client.post("/run", json=job.body), code, message)


def write(path, text="new"):
    """Write a file, and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def write_outputs(_, *paths):
    """Write every output; a model's `run`."""
    for path in paths:
        write(path)


def beside(path, name):
    """Return the path of another file in the folder of an output."""
    return os.path.join(os.path.dirname(path), name)


def refuse(_, *paths):
    """Refuse the input after writing; a model's `run`."""
    write_outputs(_, *paths)
    write(beside(paths[0], "extra.txt"))
    raise ValueError("refused")


def fail(_, *paths):
    """Raise an error after writing; a model's `run`."""
    write_outputs(_, *paths)
    write(beside(paths[0], "deep/extra.txt"))
    raise RuntimeError("broken")


def leave(_, *paths):
    """Exit after writing; a model's `run`."""
    write_outputs(_, *paths)
    raise SystemExit("bye")


def cannot_read(input_path, *paths):
    """Raise an error about the input; a model's `run`."""
    write_outputs(input_path, *paths)
    raise PermissionError(13, "Permission denied", input_path)


def write_nothing(_, *paths):
    """Write nothing that is declared; a model's `run`."""
    write(beside(paths[0], "extra.txt"))


def write_half(_, *paths):
    """Write the first output only; a model's `run`."""
    write(paths[0])


def write_broken_link(_, *paths):
    """Write links that lead nowhere; a model's `run`."""
    for path in paths:
        os.symlink("nowhere", path)


def remove_staging(_, *paths):
    """Remove the folder of the outputs; a model's `run`."""
    shutil.rmtree(os.path.dirname(paths[0]))


FAILURES = [
    (refuse, 422, "refused"),
    (fail, 500, "broken"),
    (leave, 500, "bye"),
    (cannot_read, 400, "input.txt"),
    (write_nothing, 500, "did not write its output results.json: it wrote extra.txt"),
    (write_half, 500, "did not write its output more.json: it wrote nothing else"),
    (write_broken_link, 500, "is a link that cannot be followed"),
    (remove_staging, 500, "did not write its output results.json: it wrote nothing"),
]
