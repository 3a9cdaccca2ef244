"""One call of `new_model`: read the files' names, then write, add and remove files."""

import contextlib
import os
import re
from typing import Dict, Iterator, List, Sequence

import click
import yaml

from ...model.cases import EXAMPLES, REFUSALS, TODO_FILENAME
from ...model.metadata import find_metadata
from ..files import list_files, replace_file
from ..metadata_file import MetadataFile
from .example import (
    FILES,
    MODEL,
    MODEL_TESTS,
    Example,
    is_text,
    list_changed,
    list_unchanged,
)
from .files import NewFile, check_files, check_media_type
from .skeleton import make_model, make_tests

DATA = "tests/data"
CASE = "first"

EXAMPLE_TODO = """\
# A case to fill in

The tests skip this case as long as this file is its only one.

1. Add the input files of one job: {inputs}.
2. Run `python -m flask_psc_model.cli.record {case}`. It adds the expected outputs, as
   your model writes them: {outputs}. Check that they are right.
3. Remove this file, and give the folder a name that says what the case shows.
"""

REFUSAL_TODO = """\
# A case to fill in

The tests skip this case as long as this file is its only one.

1. Add input files that your model refuses, by raising `ValueError`: {inputs}.
2. Run `python -m flask_psc_model.cli.record {case}`. It adds `message.txt` with the
   message, which should say what a valid input is.
3. Remove this file, and give the folder a name that says what is wrong.
"""

NEXT = f"""
Next:
  1. Complete predict() in {MODEL}.
  2. Fill in a case in {DATA}/{EXAMPLES} and one in {DATA}/{REFUSALS}.
  3. Run python -m flask_psc_model.cli.record, then python -m unittest.
  4. Run python -m flask_psc_model.cli.checklist: it shows what else is left, such as the
     texts in model.yaml."""


def create_model(inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Put a new model in the place of the example in the working directory's repository.

    Args:
        inputs: the input files, such as `photo.png:image/png:10M`; none to ask for
            them.
        outputs: the output files, likewise.

    Raises:
        OSError: a file is missing, or cannot be read or written.
        ValueError: the model is not the example's, or a file is wrong. Nothing is
            written.

    The model is written at the end: whatever stops the command before, it is the
    example's, and a second call completes the work.
    """
    path = find_metadata(os.getcwd())
    folder = os.path.dirname(path)
    example = Example.read(folder)
    read = _parse_all("input", inputs)
    written = _parse_all("output", outputs)
    check_files(read, written)
    metadata = MetadataFile(path)
    metadata.replace_mapping("inputs", list(_describe_inputs(read)))
    metadata.replace_mapping("outputs", list(_describe_outputs(written)))
    removed = list(list_unchanged(folder, example.class_name))
    changed = list_changed(folder, example.class_name)
    new: Dict[str, str] = {}
    tests = make_tests(example.class_name)
    if is_text(os.path.join(folder, MODEL_TESTS), re.escape(tests)):
        # of a call that was stopped
        changed.remove(MODEL_TESTS)
    if MODEL_TESTS not in changed:
        new[MODEL_TESTS] = tests
    new.update(_make_cases(folder, read, written, removed))
    model = make_model(example, read, written)
    # first, as the folder of the repository may not be writable
    metadata.save()
    for name, text in new.items():
        _write(folder, name, text)
    _remove(folder, [name for name in removed if name not in new])
    _write(folder, MODEL, model)
    new[MODEL] = model
    _report(list(new), removed, changed)


def _parse_all(kind: str, texts: Sequence[str]) -> List[NewFile]:
    files = [_complete(NewFile.parse(text)) for text in texts]
    return files or list(_ask(kind))


def _ask(kind: str) -> Iterator[NewFile]:
    """Ask for files until there is one at least, and an empty line."""
    click.echo(
        f"The {kind} files, such as photo.png, photo.png:image/png or"
        " photo.png:image/png:10M; press Enter after the last."
    )
    count = 0
    while True:
        text = click.prompt(f"{kind.capitalize()} file", default="", show_default=False)
        if not text.strip():
            if count:
                return
            click.echo(f"The model needs an {kind} file.")
            continue
        try:
            file = NewFile.parse(text)
        except ValueError as error:
            click.echo(f"error: {error}")
            continue
        count += 1
        yield _complete(file)


def _complete(file: NewFile) -> NewFile:
    """Ask for the media type of a file where its name does not tell it."""
    while not file.media_type:
        text = click.prompt(
            f"Media type of {file.name}", default="application/octet-stream"
        )
        try:
            check_media_type(text)
        except ValueError as error:
            click.echo(f"error: {error}")
        else:
            file = file._replace(media_type=text)
    return file


def _describe_inputs(files: Sequence[NewFile]) -> Iterator[str]:
    """Yield the lines of `inputs` in `model.yaml`."""
    for file in files:
        yield f"  {_quote(file.name)}:"
        yield "    acceptedMediaTypes:"
        yield f"      - {_quote(file.media_type)}"
        yield from _describe_rest(file)


def _describe_outputs(files: Sequence[NewFile]) -> Iterator[str]:
    """Yield the lines of `outputs` in `model.yaml`."""
    for file in files:
        yield f"  {_quote(file.name)}:"
        yield f"    mediaType: {_quote(file.media_type)}"
        yield from _describe_rest(file)


def _describe_rest(file: NewFile) -> Iterator[str]:
    if file.max_size:
        yield f"    maxSize: {_quote(file.max_size)}"
    yield '    description: ""'


def _quote(text: str) -> str:
    """Return a text in YAML, quoted if needed."""
    dumped = yaml.safe_dump(text, allow_unicode=True, width=float("inf"))
    return str(dumped).split("\n")[0]


def _make_cases(
    folder: str,
    inputs: Sequence[NewFile],
    outputs: Sequence[NewFile],
    removed: Sequence[str],
) -> Dict[str, str]:
    """Return the notes of the cases to fill in, where no case is left."""
    names = {"inputs": _list_names(inputs), "outputs": _list_names(outputs)}
    notes = {}
    for kind, text in ((EXAMPLES, EXAMPLE_TODO), (REFUSALS, REFUSAL_TODO)):
        case = f"{kind}/{CASE}"
        note = f"{DATA}/{case}/{TODO_FILENAME}"
        known = set(removed)
        form = ".*".join(map(re.escape, re.split(r"\{\w+\}", text)))
        if is_text(os.path.join(folder, note), form):
            # of a call that was stopped, perhaps with other files
            known.add(note)
        left = {
            f"{DATA}/{kind}/{name}"
            for name in list_files(os.path.join(folder, DATA, kind))
            if os.path.basename(name)[0] != "."
        }
        if left <= known:
            notes[note] = text.format(case=case, **names)
    return notes


def _list_names(files: Sequence[NewFile]) -> str:
    return ", ".join(f"`{file.name}`" for file in files)


def _remove(folder: str, names: Sequence[str]) -> None:
    """Remove files, and the folders that only the example needed."""
    for name in names:
        os.remove(os.path.join(folder, name))
    # those of all files: a call may have been stopped here
    for parent in sorted({os.path.dirname(name) for name in FILES}):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(folder, parent))


def _write(folder: str, name: str, text: str) -> None:
    os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
    replace_file(os.path.join(folder, name), text.encode("utf-8"))


def _report(new: Sequence[str], removed: Sequence[str], changed: Sequence[str]) -> None:
    click.echo("Wrote the inputs and outputs of model.yaml, and:")
    for name in sorted(new):
        click.echo(f"  {name}")
    count = len([name for name in removed if name not in new])
    click.echo(f"Removed {count} files of the example.")
    if changed:
        click.echo("Kept these files of the example, since they were edited:")
        for name in changed:
            click.echo(f"  {name}")
    click.echo(NEXT)
