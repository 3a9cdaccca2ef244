"""The template's example in a repository: its files, and whether they are as they were."""

import hashlib
import os
import re
from typing import Dict, Iterator, List, NamedTuple

MODEL = "model_lib/model.py"
MODEL_TESTS = "tests/test_model.py"

#: The line that begins the model's class, and its docstring.
_CLASS = re.compile(r"^class (\w+)\((Batch)?ModelBase\):\n    (.*)\n", re.MULTILINE)


class Example(NamedTuple):
    """The model of the example.

    Attributes:
        source: the text of its module.
        class_name: of the model.
        docstring: of the class, as Python.
        is_batch: whether the model computes batches.
    """

    source: str
    class_name: str
    docstring: str
    is_batch: bool

    @classmethod
    def read(cls, folder: str) -> "Example":
        """Read the example of a repository.

        Raises:
            OSError: there is no model.
            ValueError: the model is not the example's, or no longer.
        """
        source = _read_text(os.path.join(folder, MODEL))
        match = _CLASS.search(source)
        if not match or digest_model(source) not in MODELS:
            raise ValueError(
                f"{MODEL} is not the template's example, or no longer: this command"
                " replaces nothing else; edit your model, and name its files in"
                " model.yaml"
            )
        return cls(source, match.group(1), match.group(3), bool(match.group(2)))


def digest_model(source: str) -> str:
    """Return the digest of a model's module, whatever its class and docstring are."""
    match = _CLASS.search(source)
    if not match:
        return ""
    text = source[: match.start(3)] + source[match.end(3) :]
    return _digest(_replace_word(text, match.group(1)))


def list_unchanged(folder: str, class_name: str) -> Iterator[str]:
    """Yield the files of the example, besides the model, that are as they were."""
    for name, digest in FILES.items():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and digest_file(path, class_name) == digest:
            yield name


def list_changed(folder: str, class_name: str) -> List[str]:
    """Return the files of the example, besides the model, that were edited."""
    unchanged = set(list_unchanged(folder, class_name))
    return [
        name
        for name in FILES
        if name not in unchanged and os.path.exists(os.path.join(folder, name))
    ]


def digest_file(path: str, class_name: str) -> str:
    """Return the digest of a file of the example, whatever the model's class is."""
    return _digest(_replace_word(_read_text(path), class_name))


def is_text(path: str, form: str) -> bool:
    """Return whether a file is there whose whole text has a form."""
    return os.path.isfile(path) and bool(re.fullmatch(form, _read_text(path)))


def _replace_word(text: str, word: str) -> str:
    return re.sub(rf"\b{re.escape(word)}\b", "Model", text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _read_text(path: str) -> str:
    # with the line ends of any system; a case of the example is not UTF-8
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


#: The digests of the example's models: one for each framework and kind of its version.
MODELS = (
    "13e67e14488e0715",
    "381417c0681a1f34",
    "590f5ec20cf73740",
    "65573a9380f5fbd3",
    "6ca4ec40ab8d744b",
    "d2aeabd156818c8b",
    "dfef343065d6ada1",
)

#: The digests of the other files of the example.
FILES: Dict[str, str] = {
    "model_lib/colors.py": "b35cc5a20036fa2b",
    "tests/data/examples/black/input.txt": "91b4d142823f7d20",
    "tests/data/examples/black/results.json": "b13579a7ab0c5c9b",
    "tests/data/examples/leading-hash/input.txt": "2bb99a7fdd4f04f5",
    "tests/data/examples/leading-hash/results.json": "eaebedf93fdfb280",
    "tests/data/examples/six-digits/input.txt": "6c9149bcb6ab8b88",
    "tests/data/examples/six-digits/results.json": "5350a29fda60a7bc",
    "tests/data/examples/three-digits/input.txt": "f9e60dfc9ce127e7",
    "tests/data/examples/three-digits/results.json": "4b968dcd07c94680",
    "tests/data/examples/upper-case/input.txt": "ddf0e4a46244ac98",
    "tests/data/examples/upper-case/results.json": "088c0b32d1574eb5",
    "tests/data/examples/white-space/input.txt": "0affbb575188bdfb",
    "tests/data/examples/white-space/results.json": "315361c778575690",
    "tests/data/validation-error/colour-name/input.txt": "1b4c9133da73a711",
    "tests/data/validation-error/colour-name/message.txt": "db1836a9e540c825",
    "tests/data/validation-error/empty/input.txt": "e3b0c44298fc1c14",
    "tests/data/validation-error/empty/message.txt": "907a52b32d495b83",
    "tests/data/validation-error/hash-alone/input.txt": "334359b90efed75d",
    "tests/data/validation-error/hash-alone/message.txt": "17c57c01976741af",
    "tests/data/validation-error/not-text/input.txt": "ba4f25bf16ba4be6",
    "tests/data/validation-error/not-text/message.txt": "6cfd1ee99323c737",
    "tests/data/validation-error/two-colours/input.txt": "00854f739ffb94fa",
    "tests/data/validation-error/two-colours/message.txt": "34dc5d59c47bd93c",
    "tests/data/validation-error/wrong-digit/input.txt": "62dfa68119224612",
    "tests/data/validation-error/wrong-digit/message.txt": "873569c4ea6ad389",
    "tests/data/validation-error/wrong-length/input.txt": "fe46d6a835b5b2fe",
    "tests/data/validation-error/wrong-length/message.txt": "1cadb45a931ba05f",
    "tests/test_model.py": "8fea19ad390db0b5",
}
