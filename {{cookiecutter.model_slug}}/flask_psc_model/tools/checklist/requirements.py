"""The packages of pip: whether all are pinned, and whether a file names a private index."""

import os
from typing import Dict, Iterator, List, Tuple

from ..files import read_text
from ..lock import COMMAND, FRAMEWORKS
from ..pins import find_required, parse_pins
from ..requirements import (
    IMAGE_PINNED,
    NAME,
    PIN,
    PINNED,
    WANTED,
    find_secrets,
    list_files,
    normalize,
    read_names,
)
from .imports import find_required_modules, list_distributions
from .point import Problem

#: The packages of modules with another name, the best known one first.
PACKAGES: Dict[str, Tuple[str, ...]] = {
    "Bio": ("biopython",),
    "Crypto": ("pycryptodome",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow", "pillow-simd"),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "google": ("protobuf",),
    "hydra": ("hydra-core",),
    "jwt": ("pyjwt",),
    "keras": ("keras", "tensorflow", "tensorflow-cpu"),
    "magic": ("python-magic",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "osgeo": ("gdal",),
    "pkg_resources": ("setuptools",),
    "pptx": ("python-pptx",),
    "pydicom": ("pydicom",),
    "pythoncom": ("pywin32",),
    "sentence_transformers": ("sentence-transformers",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "slugify": ("python-slugify",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "umap": ("umap-learn",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}

SECRETS_PAGE = "docs/server/operations.md#a-private-package-index"


def find_unpinned(folder: str) -> Iterator[Problem]:
    """Yield the requirements, and the imports of the model's code, without a pin."""
    wanted = read_names(os.path.join(folder, WANTED), NAME)
    pinned = read_names(os.path.join(folder, PINNED), PIN)
    for name in wanted:
        if name not in pinned:
            yield Problem(
                PINNED, f"has no pin of {name}, which {WANTED} requires: run {COMMAND}"
            )
    for name in _find_absent_in_image(folder, wanted):
        yield Problem(
            IMAGE_PINNED,
            f"has no pin of {name}, which {WANTED} requires and the base image may lack:"
            f" run {COMMAND}",
        )
    for module, importer in sorted(find_required_modules(folder).items()):
        packages = _list_packages(module)
        # a package that is required has its line above
        if not set(packages) & {*pinned, *wanted}:
            yield Problem(
                importer,
                f"imports {module}, and {PINNED} has no pin of it: add {packages[0]} to"
                f" {WANTED}, then run {COMMAND}",
            )


def find_private_indexes(folder: str) -> Iterator[Problem]:
    """Yield the lines with the address of a private index, or a password."""
    for name in sorted(list_files(folder)):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = list(find_secrets(file.read()))
        for number, what in lines:
            yield Problem(
                f"{name}, line {number}",
                f"has {what}, which whoever reads the repository sees: remove it, and set"
                f" it in pip's own configuration; for the image, see {SECRETS_PAGE}",
            )


def _find_absent_in_image(folder: str, wanted: List[str]) -> Iterator[str]:
    """Yield the requirements that neither the image's framework nor its pins have."""
    path = os.path.join(folder, IMAGE_PINNED)
    if not os.path.exists(path):
        return
    pins = parse_pins(read_text(os.path.join(folder, PINNED)))
    inside = find_required(pins, FRAMEWORKS & set(wanted))
    pinned = {normalize(pin.name) for pin in pins}
    absent = (set(wanted) & pinned) - inside - set(read_names(path, PIN))
    yield from sorted(absent)


def _list_packages(module: str) -> Tuple[str, ...]:
    """Return the packages that may hold a module, the one to propose first."""
    known = PACKAGES.get(module, ())
    installed = tuple(sorted(map(normalize, list_distributions(module))))
    return (*known, *installed, normalize(module))
