"""Builds the image, runs one job in a container of it, and shows what it wrote."""

import os
import re
import time
from contextlib import ExitStack
from typing import (
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import click

from ..client import Response
from ..model.spec import ModelSpec
from ..model.units import format_size
from . import count, show_name
from .containers.container import Container, ServerUnreachable
from .containers.engine import MOUNT_POINT, Engine
from .containers.shared_folder import SharedFolder, SharedJob
from .files import list_files

#: How much of an output is shown.
SHOWN_CHARACTERS = 4000


class Request(NamedTuple):
    """What to build, to run and to leave.

    Attributes:
        tag: of the image.
        files: the path of each input's file, by the input's name.
        build_options: more options of the engine's `build`.
        output_folder: where the outputs are copied to; None for nowhere.
        is_kept: whether the container goes on running.
    """

    tag: str
    files: Dict[str, str]
    build_options: Sequence[str] = ()
    output_folder: Optional[str] = None
    is_kept: bool = False


def try_container(engine: Engine, spec: ModelSpec, request: Request) -> bool:
    """Build the image, run a job in a container, show the outputs, and remove it.

    Args:
        engine: builds and runs.
        spec: of the model; the image is that of the folder of its `model.yaml`.
        request: what to do.

    Returns:
        Whether the job got 200.

    Raises:
        EngineError: the engine fails, or the image cannot be built.
        FolderFailed: this machine cannot keep the files of the job.
        OSError: a file cannot be read or written.
        ServerUnreachable: the server does not answer.
    """
    inputs = {name: _read(path) for name, path in request.files.items()}
    engine.check()
    click.echo(f"Building {request.tag}.")
    began = time.monotonic()
    engine.build(os.path.dirname(spec.path), request.tag, request.build_options)
    click.echo(f"Built it in {_write_seconds(began)}.")
    with ExitStack() as stack:
        folder = stack.enter_context(
            SharedFolder(
                MOUNT_POINT, lambda path: engine.remove_folder(path, request.tag)
            )
        )
        engine.check_folder(folder.path, request.tag)
        job = stack.enter_context(folder.make_job(dict(inputs)))
        began = time.monotonic()
        container = stack.enter_context(
            Container(engine, request.tag, spec.limits, folder.path)
        )
        response = _run(container, job, began)
        is_done = response.status_code == 200
        if is_done:
            _show_outputs(job, spec, request.output_folder)
        else:
            _show_log(container)
        if request.is_kept:
            stack.pop_all()
            _describe_kept(container, folder, job)
    return is_done


def match_files(paths: Sequence[str], names: Sequence[str]) -> Dict[str, str]:
    """Return the path of each input's file, by the input's name.

    A file is for the input that it names, as in `photo.png=cat.png`, or whose name it
    has, with any extension; the others are for the other inputs, in order.

    Args:
        paths: of the files.
        names: of the model's inputs.

    Raises:
        ValueError: there are too many files or too few, or one does not exist; the
            message has the names of the inputs.
    """
    found: Dict[str, str] = {}
    left = []
    for text in paths:
        name, _, path = text.partition("=")
        if name in names and name not in found:
            found[name] = path
        else:
            left.append(text)
    keys: List[Callable[[str], str]] = [os.path.basename, _find_stem]
    for find_key in keys:
        left = _match(left, names, find_key, found)
    free = [name for name in names if name not in found]
    files = "no file" if not names else count(len(names), "file")
    noun = "input is" if len(names) == 1 else "inputs are"
    known = f"the model's {noun} {', '.join(names)}"
    if len(left) != len(free):
        raise ValueError(f"expected {files}, got {len(paths)}: {known}")
    found.update(zip(free, left))
    for name, path in found.items():
        if not os.path.isfile(path):
            raise ValueError(f"there is no file {path} for {name}: {known}")
    return {name: found[name] for name in names}


def _match(
    paths: List[str],
    names: Sequence[str],
    find_key: Callable[[str], str],
    found: Dict[str, str],
) -> List[str]:
    """Add the files that have a key of an input; return the others."""
    left = []
    for path in paths:
        same = [
            name
            for name in names
            if name not in found and find_key(name) == find_key(path)
        ]
        if same:
            found[same[0]] = path
        else:
            left.append(path)
    return left


def _find_stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def make_tag(folder: str) -> str:
    """Return a name for the image of a folder, made from the folder's."""
    name = os.path.basename(os.path.realpath(folder)).lower()
    name = re.sub("[^a-z0-9._-]", "-", name)
    name = re.sub("[._-]{2,}", "-", name).strip("._-")
    return f"{name or 'model'}:latest"


def _run(container: Container, job: SharedJob, began: float) -> Response:
    """Wait until the model is ready, and run the job; return the last response."""
    try:
        response = container.get_status()
    except ServerUnreachable:
        _show_log(container)
        raise
    if response.status_code != 200:
        click.echo(f"GET /status: {_describe(response)}")
        return response
    click.echo(f"The model was ready after {_write_seconds(began)}.")
    # the log of the start is no news
    container.read_new_log()
    began = time.monotonic()
    try:
        response = job.run(container.client)
    except OSError as error:
        exit = container.describe_exit()
        _show_log(container)
        raise ServerUnreachable(
            f"no answer to the job: {error}{exit and '; ' + exit}"
        ) from error
    text = "200" if response.status_code == 200 else _describe(response)
    click.echo(f"The job took {_write_seconds(began)}: {text}")
    return response


def _describe(response: Response) -> str:
    return f"{response.status_code}: {response.message}"


def _show_outputs(job: SharedJob, spec: ModelSpec, target: Optional[str]) -> None:
    """Show the outputs, the declared ones first, and copy them to a folder."""
    found = sorted(list_files(job.output_folder))
    declared = [name for name in spec.outputs if name in found]
    for name in declared + [name for name in found if name not in declared]:
        try:
            data = job.read_output(name)
        except OSError as error:
            click.echo(error)
            continue
        shown = f"{show_name(name)} ({format_size(len(data))})"
        text, is_cut = _decode(data)
        if target:
            path = os.path.join(target, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
            shown += f", written to {show_name(path)}"
        elif is_cut:
            shown += ", add --output FOLDER to get the whole file"
        click.echo(f"{shown}{':' if text else ''}")
        for line in text.splitlines():
            click.echo("  " + show_name(line.expandtabs()))


def _decode(data: bytes) -> Tuple[str, bool]:
    """Return the beginning of a text, nothing of other data; and whether more follows."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "", True
    if "\0" in text:
        return "", True
    return text[:SHOWN_CHARACTERS], len(text) > SHOWN_CHARACTERS


def _show_log(container: Container) -> None:
    """Show what the container has written since the model was ready."""
    for line in container.read_new_log().splitlines():
        click.echo("  " + show_name(line.expandtabs()), err=True)


def _describe_kept(container: Container, folder: SharedFolder, job: SharedJob) -> None:
    url, home = container.client.url, os.path.dirname(folder.path)
    click.echo(
        f"The container {container.name} is running at {url}, and sees {folder.path} as"
        f" {MOUNT_POINT}. The next job:"
    )
    click.echo(
        f"  python -m flask_psc_model.cli.run_job --url {url}"
        f" --input {job.body['input']} --output {job.body['output']}"
    )
    click.echo("To remove it and its files:")
    click.echo(
        f"  {container.engine.command} rm --force {container.name}; rm -r {home}"
    )


def _write_seconds(began: float) -> str:
    return f"{time.monotonic() - began:.2f} s"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
