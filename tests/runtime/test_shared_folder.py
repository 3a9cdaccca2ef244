"""The folder that a command shares with a server under another user."""

import json
import os
import shutil
import stat
import tempfile

import pytest
from flask_psc_model.client import Client
from flask_psc_model.tools.containers.shared_folder import SharedFolder

from .web_servers import answer_with


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path, monkeypatch):
    """Make temporary folders where the test can see what is left of them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def mode(path):
    """Return the permissions of a file."""
    return stat.S_IMODE(os.stat(str(path)).st_mode)


def test_anyone_may_write_to_the_folders_of_a_job_but_nobody_else_gets_there():
    old = os.umask(0o077)
    try:
        with SharedFolder() as folder:
            job = folder.make_job({"input.txt": b"a"})
            assert mode(job.input_folder) == mode(job.output_folder) == 0o777
            assert mode(os.path.join(job.input_folder, "input.txt")) == 0o666
            assert mode(os.path.dirname(folder.path)) == 0o700
    finally:
        os.umask(old)


def test_the_folder_around_it_can_be_passable():
    with SharedFolder(mode=0o711) as folder:
        assert mode(os.path.dirname(folder.path)) == 0o711


def test_each_job_has_folders_of_its_own_and_the_files_that_it_is_given():
    with SharedFolder() as folder:
        jobs = [folder.make_job({"a/b.txt": b"1", "c.txt": None}) for _ in range(2)]
        assert len({job.input_folder for job in jobs}) == 2
        assert os.listdir(jobs[0].input_folder) == ["a"]
        with open(os.path.join(jobs[0].input_folder, "a", "b.txt")) as file:
            assert file.read() == "1"


@pytest.mark.parametrize("server_path", [None, "/data"])
def test_a_server_is_told_the_paths_that_it_sees(server_path):
    with SharedFolder(server_path) as folder, answer_with({}) as (url, requests):
        folder.make_job({}).run(Client(url))
        root = server_path or folder.path
    assert json.loads(requests[0].body.decode()) == {
        "type": "file",
        "input": root + "/1/input",
        "output": root + "/1/output",
    }


def test_an_output_is_read_and_removed():
    with SharedFolder() as folder:
        job = folder.make_job({})
        with open(os.path.join(job.output_folder, "x"), "w") as file:
            file.write("here")
        assert job.read_output("x") == b"here"
        for _ in range(2):
            job.remove_output("x")
        with pytest.raises(OSError, match="x was not written"):
            job.read_output("x")


def test_an_output_that_is_no_file_is_not_followed():
    with SharedFolder() as folder:
        job = folder.make_job({})
        os.symlink(__file__, os.path.join(job.output_folder, "link"))
        os.mkdir(os.path.join(job.output_folder, "folder"))
        with pytest.raises(OSError, match="link is not a regular file"):
            job.read_output("link")
        with pytest.raises(OSError, match="folder is a folder: .* a test of your own"):
            job.read_output("folder")


def test_nothing_is_left(tmp_path):
    with SharedFolder() as folder:
        folder.make_job({"input.txt": b"a"})
    assert os.listdir(str(tmp_path)) == []


def test_files_of_others_are_removed_by_whoever_can(tmp_path, monkeypatch):
    remove = shutil.rmtree

    asked = []

    def remove_others(path):
        asked.append(path)
        remove(path)

    with SharedFolder("/data", remove_others) as folder:
        monkeypatch.setattr(
            shutil,
            "rmtree",
            lambda path, **options: (
                None if os.path.exists(folder.path) else remove(path, **options)
            ),
        )
    assert asked == [folder.path]
    assert os.listdir(str(tmp_path)) == []


def test_files_that_nobody_can_remove_are_named(monkeypatch):
    folder = SharedFolder("/data", lambda path: None)
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: None)
    with pytest.raises(
        OSError,
        match="remove it with `sudo rm -r {}`".format(os.path.dirname(folder.path)),
    ):
        folder.remove()


def test_a_similar_job_has_the_inputs_of_another_and_outputs_of_its_own():
    with SharedFolder("/data") as folder, folder.make_job({"a.txt": b"1"}) as source:
        with folder.make_similar(source) as job:
            assert os.listdir(job.input_folder) == ["a.txt"]
            assert job.body["input"] == source.body["input"]
            assert job.body["output"] != source.body["output"]
        # it removes its own files only
        assert os.listdir(source.input_folder) == ["a.txt"]
        assert not os.path.exists(job.output_folder)
