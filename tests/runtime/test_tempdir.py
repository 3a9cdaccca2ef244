"""Temporary files go to the first writable folder."""

import io
import os

import pytest
from flask_psc_model.server import tempdir
from flask_psc_model.server.tempdir import find_tempdir


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return three folders: those that stand for TMPDIR, /tmp and /dev/shm."""
    paths = [str(tmp_path / name) for name in ("tmpdir", "tmp", "shm")]
    for path in paths:
        os.mkdir(path)
    monkeypatch.setenv("TMPDIR", paths[0])
    monkeypatch.setattr(tempdir, "CANDIDATES", tuple(paths[1:]))
    return paths


def test_tmpdir_comes_first(folders):
    assert find_tempdir() == folders[0]


def test_without_tmpdir_it_is_the_first_candidate(folders, monkeypatch):
    monkeypatch.delenv("TMPDIR")
    assert find_tempdir() == folders[1]


def test_a_blank_tmpdir_is_no_folder(folders, monkeypatch):
    monkeypatch.setenv("TMPDIR", "")
    assert find_tempdir() == folders[1]


def test_a_folder_that_does_not_exist_is_passed_over(folders):
    os.rmdir(folders[0])
    assert find_tempdir() == folders[1]
    os.rmdir(folders[1])
    assert find_tempdir() == folders[2]


def test_a_folder_that_takes_no_files_is_passed_over(folders, monkeypatch):
    # no file can be made in /proc, not even by root
    monkeypatch.setenv("TMPDIR", "/proc")
    assert find_tempdir() == folders[1]


def test_no_folder_at_all_is_an_os_error_that_names_them(folders):
    for folder in folders:
        os.rmdir(folder)
    with pytest.raises(OSError, match="set TMPDIR") as caught:
        find_tempdir()
    for folder in folders:
        assert folder in str(caught.value)


def test_nothing_is_left_in_the_folder(folders):
    find_tempdir()
    assert os.listdir(folders[0]) == []


def test_without_tmpdir_it_is_tmp_and_without_that_shared_memory(monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    taking = {"/tmp", "/dev/shm"}

    def make_file(dir):
        if dir not in taking:
            raise OSError(dir)
        return io.BytesIO()

    monkeypatch.setattr(tempdir.tempfile, "TemporaryFile", make_file)
    assert find_tempdir() == "/tmp"
    taking.remove("/tmp")
    assert find_tempdir() == "/dev/shm"
