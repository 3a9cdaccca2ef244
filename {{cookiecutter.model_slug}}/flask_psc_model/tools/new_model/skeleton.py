"""The code of a new model, with its input and output files as arguments."""

import builtins
import itertools
import json
import keyword
import re
import unicodedata
from typing import Dict, List, Sequence

from ..checklist.example import TEXTS
from .example import Example
from .files import NewFile

#: The longest line, and the longest name made from that of a file.
MAX_LINE = 88
MAX_NAME = 16

#: Names that the code uses, or its author will, so that nothing else has them. A model
#: asks nobody, and `input` is the usual name of a file.
RESERVED = frozenset([*keyword.kwlist, *dir(builtins)]) - {"input"} | {
    "batch",
    "json",
    "keras",
    "load_metadata",
    "model",
    "np",
    "result",
    "run_model",
    "self",
    "tf",
    "torch",
}

#: The type of a file's content, by its kind.
TYPES = {"json": "Any", "text": "str", "bytes": "bytes"}

MODULE = '''\
"""The model: complete the class in this file."""

{imports}

METADATA = load_metadata(__file__)
{weights}

class {class_name}({base}):
    {docstring}

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load what every job needs; called once, at the start of the server."""
{init}
{methods}

if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main({class_name})
'''

RUN = '''
{run}        """Read the input files of one job, and write its output files."""
{reads}{call}{writes}
{predict}        """Return {result}.

        Raises:
            ValueError: an input is invalid; the message says what a valid one is.
        """
        raise NotImplementedError("write predict() in model_lib/model.py")
'''

STEPS = '''
{preprocess}        """Read and check the input files of one job; runs in several threads.

        Raises:
            ValueError: an input is invalid; the message says what a valid one is.
        """
{reads}{prepared}
{decorator}    def predict(self, batch: List[Any]) -> List[{type}]:
        """Return one result for each job of a batch: {result}.

        Args:
            batch: what `preprocess` returned for each job.
        """
        raise NotImplementedError("write predict() in model_lib/model.py")

{postprocess}        """Write the output files of one job; runs in several threads."""
{writes}'''

TESTS = '''\
"""Tests of the model alone."""

import unittest

from model_lib.model import {class_name}


class TestModel(unittest.TestCase):
    """The model without the server."""

    @classmethod
    def setUpClass(cls):
        """Load the model once."""
        cls.model = {class_name}()

    def test_it_has_input_and_output_files(self):
        """They are those of model.yaml."""
        self.assertTrue(self.model.input_filenames)
        self.assertTrue(self.model.output_filenames)


if __name__ == "__main__":
    unittest.main()
'''

#: Loads weights with PyTorch; the network is a class of the user's.
TORCH = """\
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # weights = {load}
        # self.network = MyNetwork().to(self.device).eval()
        # self.network.load_state_dict(weights)
"""

#: Loads weights with TensorFlow or Keras.
TENSORFLOW = """\
        self.network: Any = None
        if WEIGHTS.exists():
            self.network = {load}
"""

NO_FRAMEWORK = "        # self.network = ...\n"

_FRAMEWORK = re.compile(
    r"^(import torch|import tensorflow as tf|import keras|from tensorflow import keras)$",
    re.MULTILINE,
)
_LOAD = re.compile(r"= ((?:torch|tf\.saved_model|keras\.models)\.load\w*\(.*\))$", re.M)
_WEIGHTS = re.compile(r"^WEIGHTS = .*$", re.MULTILINE)
_DECORATOR = re.compile(r"^    @torch\.\w+\(\)\n(?=    def predict)", re.MULTILINE)


def make_tests(class_name: str) -> str:
    """Return the text of `tests/test_model.py`."""
    return TESTS.format(class_name=class_name)


def make_model(
    example: Example, inputs: Sequence[NewFile], outputs: Sequence[NewFile]
) -> str:
    """Return the text of `model_lib/model.py`.

    Args:
        example: what the model replaces: it has the name of the class, and imports the
            framework.
        inputs: the files that the model reads.
        outputs: the files that it writes.
    """
    make_methods = _make_steps if example.is_batch else _make_run
    methods = make_methods(example, inputs, outputs)
    init = _make_init(example.source)
    weights = _WEIGHTS.search(example.source)
    base = "BatchModelBase" if example.is_batch else "ModelBase"
    is_theirs = example.docstring.strip('"') not in TEXTS
    return MODULE.format(
        imports=_make_imports(init + methods, base, example.source),
        weights=f"\n#: The weights of the network.\n{weights.group()}\n"
        if weights
        else "",
        class_name=example.class_name,
        base=base,
        docstring=example.docstring if is_theirs else '"""The model."""',
        init=init.rstrip("\n"),
        methods=methods,
    )


def make_names(
    example: Example, inputs: Sequence[NewFile], outputs: Sequence[NewFile]
) -> Dict[str, str]:
    """Return a name in Python for each file, by the name of the file.

    The path of the file has that name with `_path`; neither has another meaning.
    """
    names: Dict[str, str] = {}
    reserved = RESERVED | {example.class_name}
    taken = set(reserved)
    for file in list(inputs) + list(outputs):
        base = _make_identifier(file.name)
        # of an output, the code uses the path only
        suffixes = ("", "_path") if file in inputs else ("_path",)
        if file in inputs and base in reserved:
            base = f"file_{base}"
        for number in itertools.count(1):
            name = base if number == 1 else f"{base}_{number}"
            uses = {name + suffix for suffix in suffixes}
            if uses.isdisjoint(taken):
                break
        taken |= uses
        names[file.name] = name
    return names


def _make_identifier(filename: str) -> str:
    base = filename.rpartition("/")[2]
    stem = base.rpartition(".")[0] or base
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_").lower()
    if not name or name[0].isdigit():
        name = f"file_{name}"
    return name[:MAX_NAME].rstrip("_")


def _make_imports(code: str, base: str, source: str) -> str:
    typing = [
        name for name in ("Any", "Dict", "List") if re.search(rf"\b{name}\b", code)
    ]
    groups = [
        ["import json"] if "json." in code else [],
        ["from pathlib import Path"],
        [f"from typing import {', '.join(typing)}"] if typing else [],
    ]
    lines = [line for group in groups for line in group] + [""]
    framework = _FRAMEWORK.search(
        source.replace("import tensorflow as tf\nfrom", "from")
    )
    if framework:
        lines += [framework.group(), ""]
    return "\n".join(lines + [f"from flask_psc_model import {base}, load_metadata"])


def _make_init(source: str) -> str:
    load = _LOAD.search(source)
    if not load:
        return NO_FRAMEWORK
    text = TORCH if load.group(1).startswith("torch.") else TENSORFLOW
    return text.format(load=load.group(1))


def _make_run(
    example: Example, inputs: Sequence[NewFile], outputs: Sequence[NewFile]
) -> str:
    """Return the methods of a model that runs one job at a time."""
    names = make_names(example, inputs, outputs)
    contents = [names[file.name] for file in inputs]
    paths = _list_paths(inputs, names) + _list_paths(outputs, names)
    typed = [f"{names[file.name]}: {TYPES[file.kind]}" for file in inputs]
    return RUN.format(
        run=_wrap("    def run(", ["self"] + paths, ") -> None:"),
        reads=_make_reads(inputs, names),
        call=_wrap("        result = self.predict(", contents, ")"),
        writes=_make_writes(outputs, names),
        predict=_wrap(
            "    def predict(", ["self"] + typed, f") -> {_find_type(outputs)}:"
        ),
        result=_describe_result(outputs),
    )


def _make_steps(
    example: Example, inputs: Sequence[NewFile], outputs: Sequence[NewFile]
) -> str:
    """Return the methods of a model that computes batches."""
    names = make_names(example, inputs, outputs)
    contents = [names[file.name] for file in inputs]
    prepared = f"        return {', '.join(contents)}\n"
    if len(prepared) > MAX_LINE + 1:
        prepared = _wrap("        return (", contents, ")")
    decorator = _DECORATOR.search(example.source)
    result = [f"result: {_find_type(outputs)}"]
    return STEPS.format(
        preprocess=_wrap(
            "    def preprocess(", ["self"] + _list_paths(inputs, names), ") -> Any:"
        ),
        reads=_make_reads(inputs, names),
        prepared=prepared,
        decorator=decorator.group() if decorator else "",
        type=_find_type(outputs),
        result=_describe_result(outputs),
        postprocess=_wrap(
            "    def postprocess(",
            ["self"] + result + _list_paths(outputs, names),
            ") -> None:",
        ),
        writes=_make_writes(outputs, names),
    )


def _list_paths(files: Sequence[NewFile], names: Dict[str, str]) -> List[str]:
    return [f"{names[file.name]}_path: str" for file in files]


def _make_reads(files: Sequence[NewFile], names: Dict[str, str]) -> str:
    """Return the lines that read each file into a variable of its name."""
    lines = []
    for file in files:
        name = names[file.name]
        head, tail = f"        {name} = ", ""
        if file.kind == "json":
            head, tail = head + "json.loads(", ")"
        read = "read_bytes()" if file.kind == "bytes" else 'read_text(encoding="utf-8")'
        lines.append(_wrap(head, [f"Path({name}_path).{read}"], tail))
    return "".join(lines)


def _make_writes(files: Sequence[NewFile], names: Dict[str, str]) -> str:
    """Return the lines that write the result into each file."""
    lines = []
    for file in files:
        key = json.dumps(file.name, ensure_ascii=False)
        value = f"result[{key}]" if len(files) > 1 else "result"
        path = f"        Path({names[file.name]}_path)"
        if file.kind == "json":
            value = f"json.dumps({value}, indent=2)"
        if file.kind == "bytes":
            lines.append(_wrap(f"{path}.write_bytes(", [value], ")"))
        else:
            args = [value, 'encoding="utf-8"']
            lines.append(_wrap(f"{path}.write_text(", args, ")"))
    return "".join(lines)


def _find_type(outputs: Sequence[NewFile]) -> str:
    return TYPES[outputs[0].kind] if len(outputs) == 1 else "Dict[str, Any]"


def _describe_result(outputs: Sequence[NewFile]) -> str:
    if len(outputs) == 1:
        return "what its file holds"
    return "what each file holds, by name"


def _wrap(head: str, args: Sequence[str], tail: str) -> str:
    """Return a call or a signature, on several lines if it is too long for one."""
    line = head + ", ".join(args) + tail
    indent = " " * (len(head) - len(head.lstrip()))
    if len(line) <= MAX_LINE:
        return line + "\n"
    inner = f"{indent}    " + ", ".join(args)
    if len(inner) <= MAX_LINE:
        return f"{head}\n{inner}\n{indent}{tail}\n"
    lines = "".join(f"{indent}    {arg},\n" for arg in args)
    return f"{head}\n{lines}{indent}{tail}\n"
