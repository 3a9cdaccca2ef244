"""The outputs of a job: all of them arrive, or none, and what was there stays."""

import errno
import fcntl
import logging
import os
import resource
import shutil
import stat
import tempfile
import threading

import pytest
from flask_psc_model.jobs.outputs import Outputs, clean_up, remove_stale

from .apps import check, make_client
from .mounts import Mounts

NAMES = ("results.json", "more.json")


def run_job(job, run, outputs="results.json", code=200, message=None):
    """Run a job with a model made of one function, and check the answer."""
    client = make_client(run, outputs=outputs)
    return check(client.post("/run", json=job.body), code, message)


def write(path, text="new"):
    """Write a file, and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def write_outputs(_, *paths):
    """Write every output; a model's `run`."""
    for path in paths:
        write(path)


def beside(path, name):
    """Return the path of another file in the folder of an output."""
    return os.path.join(os.path.dirname(path), name)


@pytest.fixture
def fail_replace(monkeypatch):
    """Return a function that lets `os.replace` fail for a target of some name."""
    replace = os.replace

    def fail(name, code=errno.EIO):
        def broken(source, target):
            if os.path.basename(target) == name:
                raise OSError(code, os.strerror(code), source, None, target)
            replace(source, target)

        monkeypatch.setattr(os, "replace", broken)

    return fail


@pytest.fixture
def no_new_files(monkeypatch, job):
    """Let the output folder take no new files, as a folder of somebody else does."""
    make = tempfile.mkdtemp
    copy = shutil.copyfile
    make_folder = os.mkdir

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def mkdtemp(suffix=None, prefix=None, dir=None):
        if dir == str(job.output):
            refuse(dir)
        return make(suffix, prefix, dir)

    def copyfile(source, target, **options):
        if os.path.dirname(target) == str(job.output) and not os.path.exists(target):
            refuse(target)
        return copy(source, target, **options)

    def mkdir(path, *args, **options):
        if os.path.dirname(path) == str(job.output):
            refuse(path)
        make_folder(path, *args, **options)

    # no folder is closed to root, who may run these tests
    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    monkeypatch.setattr(os, "mkdir", mkdir)


@pytest.fixture
def temporary_folder(monkeypatch, tmp_path):
    """Return the folder that temporary files go to."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


# --- success ---------------------------------------------------------------------


def test_an_output_arrives_and_nothing_else(job):
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_an_output_folder_is_made_with_those_above_it(job):
    job.output = job.folder / "a" / "b" / "c"
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_an_earlier_output_is_replaced_in_one_step(job):
    job.leave("an earlier and longer result")
    before = os.stat(str(job.output / "results.json"))
    with open(str(job.output / "results.json")) as reader:
        run_job(job, write_outputs)
        # who reads the earlier file reads it to its end
        assert reader.read() == "an earlier and longer result"
    assert job.outputs() == {"results.json": "new"}
    assert os.stat(str(job.output / "results.json")).st_ino != before.st_ino


def test_nobody_sees_an_output_before_all_are_written(job):
    job.leave("old")
    seen = []

    def run(_, first, second):
        write(first)
        seen.append(set(NAMES).intersection(os.listdir(str(job.output))))
        seen.append(job.read())
        write(second)

    run_job(job, run, NAMES)
    assert seen == [{"results.json"}, "old"]
    assert job.outputs() == {"results.json": "new", "more.json": "new"}


def test_other_files_in_the_output_folder_stay(job):
    job.leave("theirs", "notes.txt").leave("theirs", "folder/notes.txt")
    run_job(job, write_outputs)
    assert job.outputs() == {
        "notes.txt": "theirs",
        "folder": None,
        "folder/notes.txt": "theirs",
        "results.json": "new",
    }


def test_files_that_are_not_declared_arrive_too_and_are_merged(job):
    job.leave("old", "extra.txt").leave("old", "deep/a.txt").leave("old", "deep/b.txt")

    def run(_, path):
        write(path)
        write(beside(path, "extra.txt"))
        write(beside(path, "deep/b.txt"))
        write(beside(path, "deep/er/c.txt"))
        os.mkdir(beside(path, "empty"))

    run_job(job, run)
    assert job.outputs() == {
        "results.json": "new",
        "extra.txt": "new",
        "deep": None,
        "deep/a.txt": "old",
        "deep/b.txt": "new",
        "deep/er": None,
        "deep/er/c.txt": "new",
        "empty": None,
    }


def test_an_output_may_be_a_folder(job):
    run_job(job, lambda _, path: write(path + "/part-1"), "results")
    assert job.outputs() == {"results": None, "results/part-1": "new"}


@pytest.mark.parametrize("exists", [True, False])
def test_an_output_may_have_a_folder_in_its_name(job, exists):
    if exists:
        job.leave("theirs", "deep/er/notes.txt")

    def run(_, path):
        # the folder is there: the model need not make it
        with open(path, "w") as file:
            file.write("new")

    run_job(job, run, "deep/er/results.json")
    assert job.outputs()["deep/er/results.json"] == "new"
    assert ("deep/er/notes.txt" in job.outputs()) is exists


def test_the_input_folder_may_be_the_output_folder(job):
    job.output = job.input
    job.give("in")
    for _ in range(2):
        run_job(job, write_outputs)
        assert job.outputs() == {"input.txt": "in", "results.json": "new"}


def test_an_output_may_replace_the_input_of_the_same_name(job):
    job.output = job.input
    job.give("in")
    run_job(job, write_outputs, "input.txt")
    assert job.outputs() == {"input.txt": "new"}


def test_an_output_folder_may_be_a_link(job, tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(str(tmp_path / "real"), str(job.output))
    run_job(job, write_outputs)
    assert job.output.is_symlink()
    assert os.listdir(str(tmp_path / "real")) == ["results.json"]


def test_a_link_in_place_of_an_output_is_replaced_and_not_followed(job, tmp_path):
    write(str(tmp_path / "theirs.txt"), "theirs")
    job.output.mkdir()
    os.symlink(str(tmp_path / "theirs.txt"), str(job.output / "results.json"))
    run_job(job, write_outputs)
    assert not (job.output / "results.json").is_symlink()
    assert job.read() == "new"
    assert (tmp_path / "theirs.txt").read_text() == "theirs"


def test_a_broken_link_in_place_of_an_output_is_replaced(job):
    job.output.mkdir()
    os.symlink("nowhere", str(job.output / "results.json"))
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_a_link_that_the_model_makes_arrives_as_a_link(job, tmp_path):
    write(str(tmp_path / "theirs.txt"), "theirs")
    run_job(job, lambda _, path: os.symlink(str(tmp_path / "theirs.txt"), path))
    assert os.readlink(str(job.output / "results.json")) == str(tmp_path / "theirs.txt")


def test_a_link_to_a_folder_that_the_model_makes_arrives_as_a_link(job, tmp_path):
    write(str(tmp_path / "theirs" / "a.txt"), "theirs")

    def run(_, path):
        write(path)
        os.symlink(str(tmp_path / "theirs"), beside(path, "link"))

    run_job(job, run)
    assert os.readlink(str(job.output / "link")) == str(tmp_path / "theirs")
    assert os.listdir(str(tmp_path / "theirs")) == ["a.txt"]


def test_outputs_have_the_permissions_that_the_model_gave_them(job):
    def run(_, first, second):
        write(first)
        write(second)
        os.chmod(second, 0o751)

    before = os.umask(0o022)
    try:
        run_job(job, run, NAMES)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(os.stat(str(job.output / name)).st_mode) for name in NAMES]
    assert modes == [0o644, 0o751]
    assert stat.S_IMODE(os.stat(str(job.output)).st_mode) == 0o755


def test_large_outputs_arrive_whole(job):
    run_job(job, lambda _, path: write(path, "x" * 10**7))
    assert os.path.getsize(str(job.output / "results.json")) == 10**7


# --- failure: the output folder is as it was -------------------------------------


def _refuse(_, *paths):
    write_outputs(_, *paths)
    write(beside(paths[0], "extra.txt"))
    raise ValueError("refused")


def _break(_, *paths):
    write_outputs(_, *paths)
    write(beside(paths[0], "deep/extra.txt"))
    raise RuntimeError("broken")


def _exit(_, *paths):
    write_outputs(_, *paths)
    raise SystemExit("bye")


def _cannot_read(input_path, *paths):
    write_outputs(input_path, *paths)
    raise PermissionError(13, "Permission denied", input_path)


def _write_nothing(_, *paths):
    write(beside(paths[0], "extra.txt"))


def _write_half(_, *paths):
    write(paths[0])


def _write_broken_link(_, *paths):
    for path in paths:
        os.symlink("nowhere", path)


def _remove_staging(_, *paths):
    shutil.rmtree(os.path.dirname(paths[0]))


FAILURES = [
    (_refuse, 422, "refused"),
    (_break, 500, "broken"),
    (_exit, 500, "bye"),
    (_cannot_read, 400, "input.txt"),
    (_write_nothing, 500, "did not write its output results.json"),
    (_write_half, 500, "did not write its output more.json"),
    (_write_broken_link, 500, "did not write its output results.json"),
    (_remove_staging, 500, "did not write its output results.json"),
]


@pytest.mark.parametrize(("run", "code", "message"), FAILURES)
def test_a_failure_leaves_no_output_folder_behind(job, run, code, message):
    run_job(job, run, NAMES, code, message)
    assert job.outputs() is None


@pytest.mark.parametrize(("run", "code", "message"), FAILURES)
def test_a_failure_leaves_no_folder_above_the_output_folder_behind(
    job, run, code, message
):
    job.output = job.folder / "a" / "b" / "c"
    run_job(job, run, NAMES, code, message)
    assert os.listdir(str(job.folder)) == ["in"]


@pytest.mark.parametrize(("run", "code", "message"), FAILURES)
def test_a_failure_leaves_earlier_outputs_untouched(job, run, code, message):
    job.leave("old").leave("old", "more.json").leave("old", "extra.txt")
    job.leave("old", "deep/extra.txt")
    before = job.outputs()
    inode = os.stat(str(job.output / "results.json")).st_ino
    run_job(job, run, NAMES, code, message)
    assert job.outputs() == before
    assert os.stat(str(job.output / "results.json")).st_ino == inode


def test_a_keyboard_interrupt_leaves_nothing_behind(job):
    outputs = Outputs(str(job.output), ["results.json"])
    with pytest.raises(KeyboardInterrupt), outputs:
        write(outputs.paths[0])
        raise KeyboardInterrupt
    assert job.outputs() is None


def test_messages_name_the_folder_of_the_user(job):
    for error, code in ((ValueError, 422), (RuntimeError, 500)):

        def run(_, path, error=error):
            raise error("cannot write {}".format(path))

        path = str(job.output / "results.json")
        message = run_job(job, run, code=code, message="cannot write " + path)
        assert ".psc-" not in message


# --- failure while the outputs are moved -----------------------------------------


@pytest.mark.parametrize("earlier", [(), ("results.json",), NAMES])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EPERM])
def test_a_second_output_that_cannot_move_takes_the_first_back(
    job, monkeypatch, earlier, code
):
    for name in earlier:
        job.leave("old", name)
    before = job.outputs()
    replace, copy = os.replace, shutil.copyfile

    def fail(function):
        def call(source, target, **options):
            if target == str(job.output / "more.json") and ".psc-kept" not in source:
                raise OSError(code, os.strerror(code), target)
            return function(source, target, **options)

        return call

    monkeypatch.setattr(os, "replace", fail(replace))
    monkeypatch.setattr(shutil, "copyfile", fail(copy))
    path = str(job.output / "more.json")
    outputs = ["more.json", "results.json"]
    message = run_job(job, write_outputs, outputs, 400, "output " + path)
    assert os.strerror(code) in message
    assert ".psc-" not in message
    assert job.outputs() == before


def test_what_was_moved_is_taken_back_with_its_folders(job, fail_replace):
    job.leave("old", "a/a.txt")

    def run(_, path):
        write(path)
        write(beside(path, "a/a.txt"))
        write(beside(path, "a/b/c/d.txt"))
        write(beside(path, "a/b/e.txt"))
        write(beside(path, "z/last.txt"))

    before = job.outputs()
    fail_replace("last.txt")
    run_job(job, run, code=400, message=str(job.output / "z" / "last.txt"))
    assert job.outputs() == before


@pytest.mark.parametrize("name", ["results.json", "more.json"])
def test_a_folder_in_place_of_an_output_is_a_400_that_names_it(job, name):
    job.leave("theirs", name + "/notes.txt")
    other = NAMES[1 - NAMES.index(name)]
    job.leave("old", other)
    before = job.outputs()
    path = str(job.output / name)
    message = run_job(job, write_outputs, NAMES, 400, path)
    assert "folder" in message
    assert job.outputs() == before


def test_a_file_in_place_of_an_output_folder_is_a_400_that_names_it(job):
    job.leave("theirs", "deep").leave("old")
    before = job.outputs()
    names = ["results.json", "deep/more.json"]
    run_job(job, write_outputs, names, 400, str(job.output / "deep"))
    assert job.outputs() == before


def test_a_link_is_put_back_as_a_link(job, tmp_path, fail_replace):
    write(str(tmp_path / "theirs.txt"), "theirs")
    job.output.mkdir()
    os.symlink(str(tmp_path / "theirs.txt"), str(job.output / "more.json"))
    fail_replace("results.json")
    run_job(job, write_outputs, NAMES, 400)
    assert os.readlink(str(job.output / "more.json")) == str(tmp_path / "theirs.txt")
    assert os.listdir(str(job.output)) == ["more.json"]
    assert (tmp_path / "theirs.txt").read_text() == "theirs"


def test_what_cannot_be_put_back_is_in_the_log(job, monkeypatch, caplog):
    job.leave("old", "more.json")
    replace = os.replace

    def broken(source, target):
        if ".psc-kept" in source or target.endswith("results.json"):
            raise OSError(errno.EIO, "Input/output error", target)
        replace(source, target)

    def copyfile(source, target, **options):
        raise OSError(errno.EIO, "Input/output error", target)

    monkeypatch.setattr(os, "replace", broken)
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    run_job(job, write_outputs, NAMES, 400, str(job.output / "results.json"))
    assert "cannot put back" in caplog.text
    assert str(job.output / "more.json") in caplog.text


# --- a mounted single file: it cannot be replaced --------------------------------


def test_an_output_that_cannot_be_replaced_is_overwritten(job, fail_replace, caplog):
    job.leave("an earlier and longer result")
    inode = os.stat(str(job.output / "results.json")).st_ino
    fail_replace("results.json", errno.EBUSY)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert os.stat(str(job.output / "results.json")).st_ino == inode
    assert "not atomic" in caplog.text
    assert str(job.output / "results.json") in caplog.text


def test_an_output_that_was_overwritten_is_put_back(job, monkeypatch):
    job.leave("an earlier and longer result").leave("old", "more.json")
    before = job.outputs()
    inode = os.stat(str(job.output / "results.json")).st_ino
    copy, replace = shutil.copyfile, os.replace

    def busy(source, target):
        if target.endswith("results.json"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), source, None, target)
        replace(source, target)

    def full(source, target, **options):
        copy(source, target, **options)
        if target == str(job.output / "results.json") and ".psc-kept" not in source:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(shutil, "copyfile", full)
    run_job(job, write_outputs, NAMES, 400, "No space left")
    assert job.outputs() == before
    assert os.stat(str(job.output / "results.json")).st_ino == inode


def test_a_mounted_file_is_overwritten_for_real(job, mounts, caplog):
    job.leave("old")
    source = job.folder / "mounted.json"
    source.write_text("an earlier and longer result")
    if not mounts.bind(str(source), str(job.output / "results.json")):
        pytest.skip("no file can be mounted here: that needs root")
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert source.read_text() == "new"
    assert "not atomic" in caplog.text
    source.write_text("an earlier and longer result")
    run_job(job, _break, code=500)
    assert source.read_text() == "an earlier and longer result"


# --- a folder that takes no new files, with an output file that can be written ---


def test_an_unwritable_folder_is_a_400_that_says_what_to_do(job, no_new_files):
    job.output.mkdir()
    message = run_job(job, write_outputs, code=400, message=str(job.output))
    assert "Permission denied" in message
    assert "user {}".format(os.geteuid()) in message
    assert "--user" in message
    assert job.outputs() == {}


def test_a_writable_output_in_an_unwritable_folder_is_overwritten(
    job, no_new_files, temporary_folder, caplog
):
    job.leave("an earlier and longer result")
    with caplog.at_level(logging.WARNING):
        run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert "not atomic" in caplog.text
    assert str(job.output) in caplog.text
    assert os.listdir(str(temporary_folder)) == []


@pytest.mark.parametrize(("run", "code", "message"), FAILURES)
def test_a_failure_leaves_outputs_in_an_unwritable_folder_untouched(
    job, no_new_files, temporary_folder, run, code, message
):
    job.leave("old").leave("old", "more.json")
    run_job(job, run, NAMES, code, message)
    assert job.outputs() == {"results.json": "old", "more.json": "old"}
    assert os.listdir(str(temporary_folder)) == []


def test_an_extra_file_that_an_unwritable_folder_does_not_take_is_a_400(
    job, no_new_files, temporary_folder
):
    job.leave("old")

    def run(_, path):
        write(path)
        write(beside(path, "zebra.txt"))

    run_job(job, run, code=400, message=str(job.output / "zebra.txt"))
    assert job.outputs() == {"results.json": "old"}
    assert os.listdir(str(temporary_folder)) == []


def test_one_missing_output_in_an_unwritable_folder_is_a_400(job, no_new_files):
    job.leave("old")
    run_job(job, write_outputs, NAMES, 400, str(job.output))
    assert job.outputs() == {"results.json": "old"}


def test_messages_of_an_unwritable_folder_name_the_folder_of_the_user(
    job, no_new_files, temporary_folder
):
    job.leave("old")

    def run(_, path):
        raise ValueError("cannot write {}".format(path))

    path = str(job.output / "results.json")
    run_job(job, run, code=422, message="cannot write " + path)


def test_a_read_only_mount_is_a_400_for_real(job, mounts):
    job.output.mkdir()
    if not mounts.bind(str(job.output), str(job.output), read_only=True):
        pytest.skip("no folder can be mounted here: that needs root")
    run_job(job, write_outputs, code=400, message="Read-only file system")
    assert job.outputs() == {}


def test_a_writable_file_in_a_read_only_mount_is_overwritten_for_real(
    job, mounts, temporary_folder, caplog
):
    job.leave("old")
    source = job.folder / "mounted.json"
    source.write_text("an earlier and longer result")
    output = str(job.output)
    if not (
        mounts.bind(output, output, read_only=True)
        and mounts.bind(str(source), output + "/results.json")
    ):
        pytest.skip("nothing can be mounted here: that needs root")
    run_job(job, write_outputs)
    assert source.read_text() == "new"
    assert "not atomic" in caplog.text
    run_job(job, _break, code=500)
    assert source.read_text() == "new"
    assert os.listdir(str(temporary_folder)) == []


# --- a full disk -----------------------------------------------------------------


@pytest.fixture
def mounts():
    """Return what mounts folders and files, and unmounts them after the test."""
    mounts = Mounts()
    yield mounts
    mounts.undo()


@pytest.fixture
def full_disk(mounts, job):
    """Let the output folder hold no more than 64 KiB.

    Who may not mount a small disk gets a small limit of the size of every file.
    """
    job.output.mkdir()
    if mounts.make_disk(str(job.output), "size=64k"):
        yield
    else:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _fill(_, *paths):
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * 10**6)


def test_a_full_disk_leaves_nothing_behind(job, full_disk):
    run_job(job, _fill, code=500, message="OSError")
    assert job.outputs() == {}
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_a_full_disk_leaves_earlier_outputs_untouched(job, full_disk):
    job.leave("old").leave("old", "more.json")

    def run(_, first, second):
        write(first)
        _fill(_, second)

    run_job(job, run, NAMES, 500, "OSError")
    assert job.outputs() == {"results.json": "old", "more.json": "old"}


def test_a_disk_that_takes_no_more_files_is_a_400(job, mounts):
    job.output.mkdir()
    if not mounts.make_disk(str(job.output), "size=64k,nr_inodes=2"):
        pytest.skip("no disk can be mounted here: that needs root")
    job.leave("theirs", "notes.txt")
    run_job(job, write_outputs, code=400, message="No space left")
    assert job.outputs() == {"notes.txt": "theirs"}


def test_earlier_outputs_on_a_full_disk_are_put_back(job, mounts, temporary_folder):
    job.output.mkdir()
    if not mounts.make_disk(str(job.output), "size=64k,nr_inodes=3"):
        pytest.skip("no disk can be mounted here: that needs root")
    job.leave("old").leave("old" * 10000, "more.json")
    before = job.outputs()

    def run(_, first, second):
        write(first)
        _fill(_, second)

    # there is no room for staging, and then none for the second output
    run_job(job, run, NAMES, 400, "No space left")
    assert job.outputs() == before
    run_job(job, write_outputs, NAMES)
    assert job.outputs() == {"results.json": "new", "more.json": "new"}
    assert os.listdir(str(temporary_folder)) == []


# --- staging folders -------------------------------------------------------------


def _make_staging(job, name=".psc-dead"):
    folder = job.output / name / "new"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("half")
    return job.output / name


def test_staging_is_in_the_output_folder(job):
    seen = []

    def run(_, path):
        seen.append(path)
        write(path)

    run_job(job, run)
    path = os.path.relpath(seen[0], str(job.output))
    assert path.startswith(".psc-")
    assert os.path.basename(path) == "results.json"


@pytest.mark.parametrize("earlier", [(), ("results.json",), NAMES])
@pytest.mark.parametrize("last", ["more.json", "results.json"])
@pytest.mark.parametrize("atomic", [True, False])
def test_what_a_process_that_died_while_it_moved_files_has_done_is_undone(
    job, monkeypatch, temporary_folder, earlier, last, atomic
):
    job.leave("theirs", "notes.txt")
    for name in earlier:
        job.leave("old", name)
    if not atomic:
        earlier = NAMES
        job.leave("old").leave("old", "more.json")
    before = job.outputs()
    process = os.fork()
    if process == 0:
        try:
            _die_while_moving(job, last, atomic)
        finally:
            os._exit(1)
    assert os.waitpid(process, 0)[1] >> 8 == 7
    changed = job.outputs()
    assert any(name.startswith(".psc-") for name in changed) is atomic
    assert {name: changed.get(name) for name in NAMES} != {
        name: before.get(name) for name in NAMES
    }
    clean_up(str(job.output), [])
    assert job.outputs() == before
    assert os.listdir(str(temporary_folder)) == []


def _die_while_moving(job, last, atomic):
    replace, copy, make = os.replace, shutil.copyfile, tempfile.mkdtemp

    def dying(move):
        def call(source, target, **options):
            move(source, target, **options)
            if target == str(job.output / last):
                os._exit(7)

        return call

    def mkdtemp(dir=None, **options):
        if dir == str(job.output) and not atomic:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), dir)
        return make(dir=dir, **options)

    os.replace, shutil.copyfile = dying(replace), dying(copy)
    tempfile.mkdtemp = mkdtemp
    with Outputs(str(job.output), NAMES) as outputs:
        write_outputs("", *outputs.paths)
        outputs.publish()


@pytest.mark.parametrize(("run", "code"), [(write_outputs, 200), (_break, 500)])
def test_what_a_dead_process_left_is_removed(job, run, code):
    _make_staging(job)
    _make_staging(job, ".psc-other")
    run_job(job, run, code=code)
    assert job.outputs() == ({"results.json": "new"} if code == 200 else {})


def test_what_a_living_process_uses_is_kept(job):
    folder = _make_staging(job, ".psc-alive")
    # a lock belongs to the open file, so that this process can play another one
    lock = os.open(str(folder), os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_job(job, write_outputs)
        assert (folder / "new" / "results.json").read_text() == "half"
    finally:
        os.close(lock)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_what_the_job_itself_uses_is_locked(job):
    with Outputs(str(job.output), ["results.json"]) as outputs:
        write(outputs.paths[0])
        remove_stale(str(job.output))
        assert os.path.exists(outputs.paths[0])
        outputs.publish()
    assert job.outputs() == {"results.json": "new"}


def test_files_and_links_that_only_look_like_staging_are_kept(job, tmp_path):
    write(str(tmp_path / "theirs" / "notes.txt"), "theirs")
    job.leave("theirs", ".psc-notes").leave("theirs", "psc-folder/notes.txt")
    os.symlink(str(tmp_path / "theirs"), str(job.output / ".psc-link"))
    run_job(job, write_outputs)
    assert set(job.outputs()) == {
        ".psc-notes",
        ".psc-link",
        "psc-folder",
        "psc-folder/notes.txt",
        "results.json",
    }
    assert os.listdir(str(tmp_path / "theirs")) == ["notes.txt"]


def test_a_file_system_without_locks_works(job, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_a_file_system_without_hard_links_works(job, monkeypatch, fail_replace):
    def link(*args, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    job.leave("old").leave("old", "more.json")
    run_job(job, write_outputs)
    assert job.read() == "new"
    fail_replace("results.json")
    monkeypatch.setattr(os, "access", lambda *args, **options: False)
    with Outputs(str(job.output), NAMES) as outputs:
        write_outputs("", *outputs.paths)
        with pytest.raises(Exception, match="results.json"):
            outputs.publish()
    assert job.outputs() == {"results.json": "new", "more.json": "old"}


def test_a_folder_that_another_job_removes_again_is_made_again(job, monkeypatch):
    make = tempfile.mkdtemp
    calls = []

    def mkdtemp(**options):
        calls.append(1)
        if len(calls) == 1:
            job.output.rmdir()
        return make(**options)

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert len(calls) == 2


def test_a_staging_folder_that_another_job_takes_for_stale_is_made_again(
    job, monkeypatch
):
    make = tempfile.mkdtemp
    made = []

    def mkdtemp(**options):
        made.append(make(**options))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert len(made) == 2


def test_jobs_at_the_same_time_in_one_folder_do_not_hurt_each_other(job):
    job.output.mkdir()
    folder = str(job.output)
    errors = []

    def work(number):
        name = "{}.json".format(number)
        try:
            for turn in range(20):
                with Outputs(folder, [name]) as outputs:
                    write(outputs.paths[0], str(turn))
                    if turn % 3:
                        outputs.publish()
        except Exception as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert job.outputs() == {"{}.json".format(number): "19" for number in range(8)}


def test_no_open_file_is_left_behind(job):
    before = len(os.listdir("/proc/self/fd"))
    for run, code in [(write_outputs, 200), (_refuse, 422), (_write_nothing, 500)] * 10:
        run_job(job, run, code=code)
    assert len(os.listdir("/proc/self/fd")) == before
