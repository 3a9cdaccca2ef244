"""The Debian package of a shared library or a command that the model does not find.

The names are those of Debian 12 and Ubuntu 22.04. Later releases have some of them under
another name, and accept this one.
"""

import os
import re
import shutil
import subprocess
from typing import Iterator, Optional, Set

from ..errors import get_message

#: The file in the repository whose packages the Dockerfile installs.
FILENAME = "system-packages.txt"

#: Packages by the shared library that they hold.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLESv2.so.2": "libgles2",
    "libGLU.so.1": "libglu1-mesa",
    "libICE.so.6": "libice6",
    "libOpenCL.so.1": "ocl-icd-libopencl1",
    "libOpenGL.so.0": "libopengl0",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXcursor.so.1": "libxcursor1",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrandr.so.2": "libxrandr2",
    "libXrender.so.1": "libxrender1",
    "libasound.so.2": "libasound2",
    "libatomic.so.1": "libatomic1",
    "libblas.so.3": "libblas3",
    "libcairo.so.2": "libcairo2",
    "libcurl.so.4": "libcurl4",
    "libdbus-1.so.3": "libdbus-1-3",
    "libespeak-ng.so.1": "libespeak-ng1",
    "libexpat.so.1": "libexpat1",
    "libfftw3.so.3": "libfftw3-double3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libgdk_pixbuf-2.0.so.0": "libgdk-pixbuf-2.0-0",
    "libgeos_c.so.1": "libgeos-c1v5",
    "libgfortran.so.5": "libgfortran5",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libharfbuzz.so.0": "libharfbuzz0b",
    "liblapack.so.3": "liblapack3",
    "libmagic.so.1": "libmagic1",
    "libmecab.so.2": "libmecab2",
    "libnuma.so.1": "libnuma1",
    "libopenblas.so.0": "libopenblas0",
    "libopus.so.0": "libopus0",
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libportaudio.so.2": "libportaudio2",
    "libpq.so.5": "libpq5",
    "libquadmath.so.0": "libquadmath0",
    "libsndfile.so": "libsndfile1",
    "libsndfile.so.1": "libsndfile1",
    "libsox.so": "libsox3",
    "libsox.so.3": "libsox3",
    "libsqlite3.so.0": "libsqlite3-0",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxml2.so.2": "libxml2",
    "libxslt.so.1": "libxslt1.1",
    "libzbar.so.0": "libzbar0",
}

#: Packages by the command that they hold.
COMMANDS = {
    "convert": "imagemagick",
    "curl": "curl",
    "dot": "graphviz",
    "espeak-ng": "espeak-ng",
    "exiftool": "libimage-exiftool-perl",
    "ffmpeg": "ffmpeg",
    "ffprobe": "ffmpeg",
    "file": "file",
    "flac": "flac",
    "g++": "g++",
    "gcc": "gcc",
    "gdal_translate": "gdal-bin",
    "gdalwarp": "gdal-bin",
    "git": "git",
    "gs": "ghostscript",
    "java": "default-jre-headless",
    "lame": "lame",
    "libreoffice": "libreoffice",
    "make": "make",
    "mecab": "mecab",
    "mediainfo": "mediainfo",
    "ogr2ogr": "gdal-bin",
    "pandoc": "pandoc",
    "pdfinfo": "poppler-utils",
    "pdftocairo": "poppler-utils",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "qpdf": "qpdf",
    "soffice": "libreoffice",
    "sox": "sox",
    "soxi": "sox",
    "tesseract": "tesseract-ocr",
    "unzip": "unzip",
    "wget": "wget",
    "xz": "xz-utils",
}

#: Packages by the words of a Python package that looks for a library by itself.
WORDS = {
    "sndfile library not found": "libsndfile1",
    "PortAudio library not found": "libportaudio2",
    "Unable to find zbar shared library": "libzbar0",
    "failed to find libmagic": "libmagic1",
}

#: What the dynamic linker of glibc reports.
_MISSING_LIBRARY = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")

#: Libraries that no package of Debian has.
_DRIVER = re.compile(r"lib(cuda|nvidia-ml|nvcuvid|nvidia-encode)\.so")
_CUDA = re.compile(r"lib(cu(dart|blas|dnn|fft|rand|solver|sparse)|nv(infer|rtc)|nccl)")

#: What ldd prints.
_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)

#: What subprocess reports, and what several Python packages do.
_MISSING_COMMAND = re.compile(
    r"No such file or directory: '([\w.+-]+)'|\b([\w.+-]+) is not installed"
    r"|\b([\w.+-]+): (?:command )?not found"
)


def find_remedy(error: BaseException) -> str:
    """Return what to do about an error if a missing library or command is its cause.

    Returns:
        The text, empty for any other error.
    """
    for each in _list_causes(error):
        command = _find_command(each)
        # the text of a missing file is the same for a command and any other file
        text = "" if isinstance(each, FileNotFoundError) else get_message(each)
        remedy = _explain_command(command) if command else _explain_module(each)
        remedy = remedy or find_remedy_in_text(text)
        if remedy:
            return remedy
    return ""


def find_remedy_in_text(text: str) -> str:
    """Return what to do about a message, or a log with one.

    Returns:
        The text, empty if it names no missing library or known command.
    """
    for library in _MISSING_LIBRARY.findall(text):
        return _explain_library(library)
    for words, package in WORDS.items():
        if words in text:
            return _add(package)
    for names in _MISSING_COMMAND.findall(text):
        for name in names:
            if name in COMMANDS and not shutil.which(name):
                return _explain_command(name)
    return ""


def list_packages(text: str) -> Set[str]:
    """Return the packages in the text of `system-packages.txt`, as the Dockerfile does."""
    lines = [re.sub("[#\r].*", "", line) for line in text.split("\n")]
    return set(" ".join(lines).split())


def _explain_module(error: BaseException) -> str:
    """Return what to do about an extension module that lacks several libraries.

    The dynamic linker reports only the first: each would cost a build of the image.
    """
    if not isinstance(error, ImportError) or not error.path:
        return ""
    if not LIBRARIES.keys() & _MISSING_LIBRARY.findall(get_message(error)):
        return ""
    libraries = _NOT_FOUND.findall(_run_ldd(error.path))
    packages = sorted({LIBRARIES[name] for name in libraries if name in LIBRARIES})
    return _add(*packages) if len(packages) > 1 else ""


def _run_ldd(path: str) -> str:
    """Return the libraries that a file needs, as `ldd` lists them; nothing without it."""
    try:
        return subprocess.run(
            ["ldd", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _explain_library(library: str) -> str:
    if _DRIVER.match(library):
        return "it belongs to NVIDIA's driver: start the container with --gpus all"
    if _CUDA.match(library):
        return (
            "it belongs to CUDA: build on an image with CUDA, or add the package of pip"
            " that has it to requirements.in"
        )
    package = LIBRARIES.get(library)
    if package:
        return _add(package)
    return (
        f"look up the Debian package that has {library} on https://packages.debian.org,"
        f" add it to {FILENAME}, and build the image again"
    )


def _explain_command(name: str) -> str:
    package = COMMANDS.get(name)
    if package:
        return f"there is no command {name}: {_add(package)}"
    return (
        f"there is no command {name}: add the Debian package that has it to {FILENAME},"
        " and build the image again"
    )


def _add(*packages: str) -> str:
    names = " and ".join(filter(None, [", ".join(packages[:-1]), packages[-1]]))
    noun = "package" if len(packages) == 1 else "packages"
    return f"add the Debian {noun} {names} to {FILENAME}, and build the image again"


def _list_causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """Yield an error, and those that led to it."""
    seen: Set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)


def _find_command(error: BaseException) -> str:
    """Return the name of the command that an error of `subprocess` did not find."""
    name = ""
    if isinstance(error, FileNotFoundError):
        name = _find_program(error)
    elif isinstance(error, subprocess.CalledProcessError) and error.returncode == 127:
        # of the shell
        command = error.cmd
        words = command.split() if isinstance(command, str) else list(command)
        name = str(words[0]) if words else ""
    is_name = name and os.path.basename(name) == name
    return name if is_name and not shutil.which(name) else ""


def _find_program(error: FileNotFoundError) -> str:
    """Return the program that could not be started; nothing for any other file."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if not trace or trace.tb_frame.f_globals.get("__name__") != "subprocess":
        return ""
    # the folder to start it in may be missing, too
    is_folder = error.filename == trace.tb_frame.f_locals.get("cwd")
    return "" if is_folder else str(error.filename or "")
