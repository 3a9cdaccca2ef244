"""The Debian packages of libraries and commands that a model does not find."""

import ctypes
import os
import subprocess

import pytest
from flask_psc_model import create_app
from flask_psc_model.errors import ModelNotLoaded
from flask_psc_model.model.loading import load_model
from flask_psc_model.model.system_packages import (
    find_remedy,
    find_remedy_in_text,
    list_packages,
)

from .apps import check, make_client

ADD = "add the Debian package {} to system-packages.txt, and build the image again"
MISSING = "{}: cannot open shared object file: No such file or directory"

LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libsndfile.so.1": "libsndfile1",
    "libxcb.so.1": "libxcb1",
}


def catch(function, *args, **options):
    """Return the error that a function raises."""
    with pytest.raises(Exception) as caught:
        function(*args, **options)
    return caught.value


@pytest.fixture
def no_commands(tmp_path, monkeypatch):
    """Take all commands from the path."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_names_its_package_in_the_status(library):
    def load():
        raise ImportError(MISSING.format(library))

    message = check(create_app(load).test_client().get("/status"), 500)
    assert message == "the model could not be loaded: ImportError: {}; {}".format(
        MISSING.format(library), ADD.format(LIBRARIES[library])
    )


def test_a_library_that_no_package_is_known_for_is_looked_up():
    error = catch(ctypes.CDLL, "libpsc-of-nobody.so.3")
    remedy = find_remedy(error)
    assert "has libpsc-of-nobody.so.3 on https://packages.debian.org" in remedy
    assert "system-packages.txt" in remedy


@pytest.mark.parametrize(
    ("lacking", "packages"),
    [
        (["libxcb.so.1", "libGL.so.1", "libc.so.6"], "packages libgl1 and libxcb1"),
        (
            ["libglib-2.0.so.0", "libGL.so.1", "libgthread-2.0.so.0", "libxcb.so.1"],
            "packages libgl1, libglib2.0-0 and libxcb1",
        ),
        (["libxcb.so.1"], "package libxcb1"),
        ([], "package libxcb1"),
    ],
)
def test_an_extension_module_names_the_packages_of_all_libraries_that_it_lacks(
    no_commands, tmp_path, lacking, packages
):
    ldd = tmp_path / "ldd"
    lines = "".join("echo '\t{} => not found'\n".format(name) for name in lacking)
    ldd.write_text('#!/bin/sh\n[ "$1" = /opt/cv2.so ] || exit 1\n' + lines)
    ldd.chmod(0o755)
    error = ImportError(MISSING.format("libxcb.so.1"), path="/opt/cv2.so")
    assert find_remedy(error) == ADD.replace("package {}", packages)


def test_an_extension_module_names_one_package_without_ldd(no_commands):
    error = ImportError(MISSING.format("libxcb.so.1"), path="/opt/cv2.so")
    assert find_remedy(error) == ADD.format("libxcb1")


@pytest.mark.parametrize(
    ("library", "what"),
    [("libcuda.so.1", "--gpus all"), ("libcudart.so.12", "an image with CUDA")],
)
def test_a_library_of_nvidia_is_in_no_package_of_debian(library, what):
    remedy = find_remedy(ImportError(MISSING.format(library)))
    assert what in remedy
    assert "system-packages" not in remedy


def test_a_library_is_found_behind_the_errors_that_follow_from_it():
    def load():
        try:
            raise OSError(MISSING.format("libzbar.so.0"))
        except OSError as error:
            try:
                raise ImportError("no scanner") from error
            except ImportError:
                raise RuntimeError("cannot start")  # noqa: B904

    with pytest.raises(ModelNotLoaded) as caught:
        load_model(load)
    assert "RuntimeError: cannot start; " + ADD.format("libzbar0") in str(caught.value)


@pytest.mark.parametrize(
    ("command", "options", "package"),
    [
        (["sox", "in.wav", "out.wav"], {}, "sox"),
        (["ffprobe"], {}, "ffmpeg"),
        ("sox in.wav out.wav", {"shell": True}, "sox"),
    ],
)
def test_a_missing_command_names_its_package(no_commands, command, options, package):
    error = catch(subprocess.run, command, check=True, **options)
    assert find_remedy(error).endswith(": " + ADD.format(package))


def test_a_command_that_no_package_is_known_for_is_named(no_commands):
    error = catch(subprocess.run, ["psc-of-nobody"])
    assert find_remedy(error).startswith("there is no command psc-of-nobody: add the")


@pytest.mark.parametrize(
    "function",
    [
        lambda: os.stat("sox"),
        lambda: os.listdir("/nowhere/sox"),
        lambda: subprocess.run(["/nowhere/sox"]),
        lambda: subprocess.run(["true"], cwd="sox"),
        lambda: subprocess.run("exit 3", shell=True, check=True),
        lambda: {}["sox"],
    ],
)
def test_any_other_error_has_no_remedy(tmp_path, monkeypatch, function):
    monkeypatch.chdir(str(tmp_path))
    assert find_remedy(catch(function)) == ""


def test_a_command_that_is_there_is_not_missing(tmp_path, monkeypatch):
    (tmp_path / "sox").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "sox").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_remedy(catch(subprocess.run, ["sox"], check=True)) == ""
    assert find_remedy_in_text("sox is not installed") == ""


@pytest.mark.parametrize(
    "text",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'tesseract'",
        "tesseract is not installed or it's not in your PATH",
        "sh: 1: tesseract: not found",
        "bash: tesseract: command not found",
    ],
)
def test_a_log_with_a_missing_command_has_a_remedy(no_commands, text):
    assert ADD.format("tesseract-ocr") in find_remedy_in_text("one\n" + text + "\n")


def test_a_missing_command_of_a_job_is_in_the_answer(no_commands, job):
    def run(input_path, output_path):
        subprocess.run(["sox", input_path, output_path])

    answer = make_client(run).post("/run", json=job.give("a").body)
    check(answer, 500, "there is no command sox: " + ADD.format("sox"))


def test_the_file_is_read_as_the_dockerfile_reads_it():
    text = "# none\r\nlibgl1  # for OpenCV\r\n\r\n  sox ffmpeg\n"
    assert list_packages(text) == {"libgl1", "sox", "ffmpeg"}
