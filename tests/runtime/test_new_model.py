"""The files that a new model may have, and the code that is made of them."""

import ast
import builtins
import contextlib
import itertools
import json

import pytest
from flask_psc_model.model.cases import (
    MESSAGE_FILENAME,
    check_filenames,
    check_findable,
)
from flask_psc_model.tools.new_model.example import Example
from flask_psc_model.tools.new_model.files import NewFile, check_files
from flask_psc_model.tools.new_model.skeleton import make_model
from hypothesis import assume, given
from hypothesis import strategies as st

from .project import make_project

# --- the files ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [".cfg.txt", ".cfg", "a/.cfg.txt"])
def test_a_hidden_file_is_refused_for_every_model(name):
    with pytest.raises(ValueError, match="is hidden, and cases skip hidden files"):
        check_findable(["a.txt", name])


@pytest.mark.parametrize("name", ["a~", "a.txt~", "b/a.txt~", ".cfg.txt", "."])
def test_a_file_that_cases_skip_is_refused_for_a_new_model(name):
    with pytest.raises(ValueError):
        parse([name + ":text/plain"], ["out.json"])


def test_a_file_that_looks_like_a_backup_is_fine_for_a_model_that_is_there():
    # a case may have it under another extension
    check_findable(["a.txt~", "b.json"])


@pytest.mark.parametrize(
    "names",
    [
        ["a/b.png", "a.txt"],
        ["a.txt", "a/b.png"],
        ["a/b", "a"],
        ["a.d/b.png", "a.txt"],
        ["a/b/c.png", "a.txt"],
        ["a/b/c.png", "a/b.txt"],
    ],
)
def test_a_file_cannot_share_the_name_of_a_folder(names):
    with pytest.raises(ValueError) as failure:
        check_findable(names)
    for name in names:
        assert name in str(failure.value)
    assert "a folder and a file" in str(failure.value)


@pytest.mark.parametrize(
    "names",
    [
        ["a/b.png", "a/c.png"],
        ["a/b.png", "b.txt"],
        ["a.x/b.png", "a.y/c.png"],
        ["b/a.png", "a.txt"],
        [".d/a.png", "a.txt"],
        ["a.png", "message/b.txt"],
    ],
)
def test_other_files_in_folders_are_fine(names):
    check_findable(names)


@pytest.mark.parametrize("name", ["message.txt", "message.png", "message"])
def test_the_file_of_the_expected_message_is_named_as_such(name):
    with pytest.raises(ValueError) as failure:
        check_filenames(["a.txt", name], MESSAGE_FILENAME)
    assert str(failure.value) == (
        "message.txt holds the expected error message of a case, whatever its"
        " extension: rename the file {}, or set error_message_filename".format(name)
    )


@pytest.mark.parametrize("name", ["message/a.txt", "message.d/a.txt"])
def test_the_folder_of_a_new_file_is_not_that_of_the_message(name):
    with pytest.raises(ValueError, match="message.txt are a folder and a file"):
        parse([name], ["out.json"])


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("application/json", "json"),
        ("Application/JSON", "json"),
        ("application/geo+json", "json"),
        ("application/x-ndjson", "bytes"),
        ("application/ndjson", "bytes"),
        ("application/jsonl", "bytes"),
        ("text/x-ndjson", "text"),
        ("text/csv", "text"),
        ("image/png", "bytes"),
    ],
)
def test_only_one_json_value_is_read_as_json(media_type, kind):
    assert NewFile.parse("data:" + media_type).kind == kind


# --- the names in the code ---------------------------------------------------------

HEAD = '''"""A model."""

{imports}

class {name}({base}):
    """Reads files."""

{rest}'''

TORCH = 'WEIGHTS = "w"\n        weights = torch.load(WEIGHTS)\n'


def make_example(is_batch, name="Model", imports="", rest=""):
    """Return an example whose module has some lines."""
    base = "BatchModelBase" if is_batch else "ModelBase"
    source = HEAD.format(imports=imports, name=name, base=base, rest=rest)
    return Example(source, name, '"""Reads files."""', is_batch)


EXAMPLES = [
    make_example(False),
    make_example(True),
    make_example(False, "photo"),
    make_example(True, "photo"),
    make_example(True, imports="import torch\nWEIGHTS = 1", rest="    " + TORCH),
    make_example(True, imports="import tensorflow as tf"),
    make_example(False, imports="import keras"),
]

#: What is in the scope of the code, or of what people write there, and traps.
WORDS = [
    "json",
    "np",
    "Path",
    "self",
    "model",
    "result",
    "batch",
    "torch",
    "tf",
    "keras",
    "METADATA",
    "WEIGHTS",
    "Any",
    "Dict",
    "List",
    "ModelBase",
    "load_metadata",
    "run_model",
    "predict",
    "photo",
    "run",
    "str",
    "bytes",
    "list",
    "dict",
    "open",
    "len",
    "print",
    "input",
    "type",
    "map",
    "NotImplementedError",
    "class",
    "import",
    "def",
    "None",
    "True",
    "lambda",
    "a",
    "b",
    "image",
    "out",
    "file",
    "data",
    "1",
    "写真",
    "__init__",
    "the-photograph-of-the-whole-patient",
    "the-photograph-of-the-left-lung",
]
STEMS = st.builds(
    lambda folder, prefix, word, suffix: folder + prefix + word + suffix,
    st.sampled_from(["", "", "x/", "y/"]),
    st.sampled_from(["", "", "file_"]),
    st.sampled_from(WORDS),
    st.sampled_from(["", "", "_path", "_path_path", "_2", "_2_path", "-path", " path"]),
)
NAMES = st.builds(
    lambda stem, media_type: "{}:{}".format(stem, media_type),
    STEMS,
    st.sampled_from(["text/plain", "application/json", "image/png"]),
)


def parse(inputs, outputs):
    """Return the files of a new model."""
    files = [[NewFile.parse(text) for text in texts] for texts in (inputs, outputs)]
    check_files(*files)
    return files


@st.composite
def list_files(draw):
    """Return some input and output files that a model may have."""
    texts = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    count = draw(st.integers(1, len(texts) - 1))
    with contextlib.suppress(ValueError):
        return parse(texts[:count], texts[count:])
    return assume(False)


def list_bound(node):
    """Yield each name that a function, or a module, binds once for each time."""
    if isinstance(node, ast.FunctionDef):
        for argument in node.args.args:
            yield argument.arg
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id


def list_globals(tree):
    """Return the names that a module binds at its top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= set(list_bound(node))
    return names


def check_names(source):
    """Check that no function binds a name twice, or one that means something else."""
    tree = ast.parse(source)
    outer = list_globals(tree) | set(dir(builtins)) - {"input"}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 2
    for function in functions:
        bound = list(list_bound(function))
        assert len(bound) == len(set(bound)), (function.name, bound)
        assert outer.isdisjoint(bound), (function.name, bound)
        # nothing is named like what people import or assign themselves
        assert not {"np", "model"} & set(bound), (function.name, bound)


@given(list_files(), st.sampled_from(EXAMPLES))
def test_no_name_in_the_code_means_two_things(files, example):
    source = make_model(example, *files)
    compile(source, "model.py", "exec")
    check_names(source)


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["out_path.txt"], ["out.json"]),
        (["image_path.txt", "image.txt"], ["out.json"]),
        (["image.txt", "image_path.txt"], ["out.json"]),
        (["a.txt", "a_2.txt", "x/a.txt", "a_2_path.txt"], ["y/a.json", "a_path.json"]),
        (["str.txt", "bytes.json", "list.txt"], ["self.txt", "json.json"]),
        (["load_metadata.txt", "path.txt"], ["np.txt"]),
        (["self.txt", "file_self.txt", "file_self_path.txt"], ["result.txt"]),
    ],
)
def test_names_that_collided_do_so_no_more(example, inputs, outputs):
    source = make_model(example, *parse(inputs, outputs))
    check_names(source)


def test_usual_names_are_those_of_the_files():
    files = parse(["input.txt", "photo.png", "config.json"], ["result.json"])
    (run, predict) = [
        [argument.arg for argument in node.args.args[1:]]
        for node in ast.walk(ast.parse(make_model(EXAMPLES[0], *files)))
        if isinstance(node, ast.FunctionDef) and node.name in ("run", "predict")
    ]
    assert run == ["input_path", "photo_path", "config_path", "result_path"]
    assert predict == ["input", "photo", "config"]


COUNTER = itertools.count()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return a folder for all examples of a test."""
    return tmp_path_factory.mktemp("models")


@given(list_files(), st.booleans())
def test_the_model_reads_and_writes_the_files_that_it_is_given(folders, files, batch):
    inputs, outputs = files
    folder = folders / str(next(COUNTER))
    make_project(
        folder,
        make_model(make_example(batch), inputs, outputs),
        inputs=[file.name for file in inputs],
        outputs=[file.name for file in outputs],
    )
    path = str(folder / "model_lib" / "model.py")
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec")
    scope = {"__file__": path, "__name__": "a_model"}
    exec(code, scope)
    contents = [make_content(file, number) for number, file in enumerate(inputs)]
    given_to_it = []

    class Model(scope["Model"]):
        """Notes what it is given, and returns something of the right type."""

        def predict(self, *args):
            """Return what each file is to hold."""
            if batch:
                (jobs,) = args
                given_to_it.extend(jobs if len(inputs) == 1 else jobs[0])
                return [make_result()]
            given_to_it.extend(args)
            return make_result()

    def make_result():
        made = {file.name: make_content(file, n) for n, file in enumerate(outputs, 90)}
        return made if len(outputs) > 1 else made[outputs[0].name]

    paths = [str(folder / "file-{}".format(n)) for n in range(len(inputs + outputs))]
    for file, content, to in zip(inputs, contents, paths):
        write(file, content, to)
    Model().run(*paths)
    assert given_to_it == contents
    for number, (file, path) in enumerate(zip(outputs, paths[len(inputs) :]), 90):
        assert read(file, path) == make_content(file, number)
    for file, content, path in zip(inputs, contents, paths):
        assert read(file, path) == content


def make_content(file, number):
    """Return a content of a file's kind that no other file has."""
    text = "file-{}".format(number)
    return {"json": [text], "text": text, "bytes": text.encode()}[file.kind]


def write(file, content, path):
    """Write a content of a file's kind."""
    if file.kind == "json":
        content = json.dumps(content)
    with open(path, "wb") as opened:
        opened.write(content if file.kind == "bytes" else content.encode())


def read(file, path):
    """Read a content of a file's kind."""
    with open(path, "rb") as opened:
        content = opened.read()
    if file.kind == "bytes":
        return content
    return json.loads(content.decode()) if file.kind == "json" else content.decode()
