"""Commits: all outputs move into place or none, also where a server dies."""

import contextlib
import errno
import json
import logging
import os
import resource
import tempfile
import threading
import time

import pytest
from flask_psc_model import procfs
from flask_psc_model.jobs import outputs, transaction
from flask_psc_model.jobs.folder import Folder
from flask_psc_model.procfs import find_host, find_start, is_alive

from .mounts import Mounts
from .writers import FAILURES, NAMES, beside, fail, run_job, write, write_outputs


@pytest.fixture
def fail_move(monkeypatch, job):
    """Return a function that lets a file of some name not move to the output folder."""
    rename = os.rename

    def fail(name, code=errno.EIO):
        def broken(source, target, src_dir_fd=None, dst_dir_fd=None):
            if _resolve(target, dst_dir_fd) == os.path.realpath(
                str(job.output / name)
            ) and ".psc-backup" not in _resolve(source, src_dir_fd):
                raise OSError(code, os.strerror(code), source, None, target)
            rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        monkeypatch.setattr(os, "rename", broken)

    return fail


def _resolve(path, folder):
    """Return the absolute path of what a call names, by a descriptor or without."""
    if folder is None:
        return os.path.realpath(path)
    return os.path.join(os.readlink("/proc/self/fd/{}".format(folder)), path)


def _full(monkeypatch, job, name):
    """Let the disk be full once a file in the output folder is half overwritten."""
    copy = Folder.copy

    def full(self, path, target, new_path):
        copy(self, path, target, new_path)
        if _resolve(new_path, target.fd) == str(job.output / name) and path == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new_path)

    monkeypatch.setattr(Folder, "copy", full)


@pytest.fixture
def no_new_files(monkeypatch, job):
    """Let the output folder take no new files, as a folder of somebody else does."""
    make_folder = os.mkdir

    def mkdir(path, *args, **options):
        if os.path.dirname(path) == str(job.output):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        make_folder(path, *args, **options)

    # no folder is closed to root, who may run these tests
    monkeypatch.setattr(os, "mkdir", mkdir)


@pytest.fixture
def temporary_folder(monkeypatch, tmp_path):
    """Return the folder that temporary files go to."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


# --- failure while the outputs are moved -----------------------------------------


@pytest.mark.parametrize("earlier", [(), ("results.json",), NAMES])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EPERM])
def test_a_second_output_that_cannot_move_takes_the_first_back(
    job, monkeypatch, fail_move, earlier, code
):
    for name in earlier:
        job.leave("old", name)
    before = job.outputs()
    fail_move("more.json", code)
    _full(monkeypatch, job, "more.json")
    path = str(job.output / "more.json")
    message = run_job(job, write_outputs, ["a.json", *NAMES], 400, "output " + path)
    assert os.strerror(errno.ENOSPC if "more.json" in earlier else code) in message
    assert ".psc-" not in message
    assert job.outputs() == before


def test_what_was_moved_is_taken_back_with_its_folders(job, fail_move):
    job.leave("old", "a/a.txt")

    def run(_, path):
        write(path)
        write(beside(path, "a/a.txt"))
        write(beside(path, "a/b/c/d.txt"))
        write(beside(path, "a/b/e.txt"))
        write(beside(path, "z/last.txt"))

    before = job.outputs()
    fail_move("z")
    run_job(job, run, code=400, message=str(job.output / "z"))
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


@pytest.mark.parametrize("name", ["results", "deep/more.json"])
def test_a_link_in_place_of_an_output_folder_is_a_400_that_names_it(
    job, tmp_path, name
):
    folder = name.split("/")[0]
    write(str(tmp_path / "theirs" / "a.txt"), "theirs")
    job.output.mkdir()
    os.symlink(str(tmp_path / "theirs"), str(job.output / folder))

    def run(_, path):
        write(path if path.endswith("json") else path + "/a.txt")

    run_job(job, run, name, 400, str(job.output / folder))
    assert os.readlink(str(job.output / folder)) == str(tmp_path / "theirs")
    assert (tmp_path / "theirs" / "a.txt").read_text() == "theirs"
    assert os.listdir(str(tmp_path / "theirs")) == ["a.txt"]


def test_an_output_folder_replaces_the_earlier_one_as_a_whole(job):
    job.leave("old", "results/part-1").leave("old", "results/part-2")
    run_job(job, lambda _, path: write(path + "/part-1"), "results")
    assert job.outputs() == {"results": None, "results/part-1": "new"}


def test_an_output_folder_in_another_folder_replaces_the_earlier_one(job):
    job.leave("old", "deep/results/part-2").leave("theirs", "deep/notes.txt")
    run_job(job, lambda _, path: write(path + "/part-1"), "deep/results")
    assert job.outputs() == {
        "deep": None,
        "deep/notes.txt": "theirs",
        "deep/results": None,
        "deep/results/part-1": "new",
    }


def test_an_output_folder_that_was_replaced_is_put_back(job, fail_move):
    job.leave("old", "results/part-1").leave("old", "results/part-2")
    job.leave("old", "zebra.json")
    before = job.outputs()

    def run(_, folder, path):
        write(folder + "/part-1")
        write(path)

    fail_move("zebra.json", errno.EISDIR)
    job.output.joinpath("zebra.json").unlink()
    before.pop("zebra.json")
    run_job(job, run, ["results", "zebra.json"], 400, "zebra.json")
    assert job.outputs() == before


def test_a_link_is_put_back_as_a_link(job, tmp_path, fail_move):
    write(str(tmp_path / "theirs.txt"), "theirs")
    job.output.mkdir()
    os.symlink(str(tmp_path / "theirs.txt"), str(job.output / "more.json"))
    fail_move("results.json")
    run_job(job, write_outputs, NAMES, 400)
    assert os.readlink(str(job.output / "more.json")) == str(tmp_path / "theirs.txt")
    assert os.listdir(str(job.output)) == ["more.json"]
    assert (tmp_path / "theirs.txt").read_text() == "theirs"


def test_what_cannot_be_put_back_is_in_the_log(job, monkeypatch, fail_move, caplog):
    job.leave("old", "more.json")
    fail_move("results.json")
    rename = os.rename

    def broken(source, target, **folders):
        if _resolve(source, folders.get("src_dir_fd")) == str(job.output / "more.json"):
            raise OSError(errno.EIO, "Input/output error", target)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", broken)
    run_job(job, write_outputs, NAMES, 400, str(job.output / "results.json"))
    assert "cannot put back what was in the output more.json" in caplog.text


# --- a mounted single file: it cannot be replaced --------------------------------


def test_an_output_that_cannot_be_replaced_is_overwritten(job, fail_move, caplog):
    job.leave("an earlier and longer result")
    inode = os.stat(str(job.output / "results.json")).st_ino
    fail_move("results.json", errno.EBUSY)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert os.stat(str(job.output / "results.json")).st_ino == inode
    assert "not atomic" in caplog.text
    assert str(job.output / "results.json") in caplog.text


def test_an_output_that_was_overwritten_is_put_back(job, monkeypatch, fail_move):
    job.leave("an earlier and longer result").leave("old", "more.json")
    before = job.outputs()
    inode = os.stat(str(job.output / "results.json")).st_ino
    fail_move("results.json", errno.EBUSY)
    _full(monkeypatch, job, "results.json")
    run_job(job, write_outputs, NAMES, 400, "No space left")
    assert job.outputs() == before
    assert os.stat(str(job.output / "results.json")).st_ino == inode


def test_an_output_that_can_neither_be_replaced_nor_written_stays(
    job, monkeypatch, fail_move, caplog
):
    job.leave("old").leave("old", "more.json")
    open_file = os.open

    def refuse(path, flags, *args, **options):
        if path == "results.json" and flags & os.O_WRONLY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_file(path, flags, *args, **options)

    fail_move("results.json", errno.EPERM)
    # no file is closed to root, who may run these tests
    monkeypatch.setattr(os, "open", refuse)

    def run(_, *paths):
        for path in paths:
            with os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT), "w") as file:
                file.write("new")

    run_job(job, run, NAMES, 400, "results.json")
    assert job.outputs() == {"results.json": "old", "more.json": "old"}
    assert "cannot put back" not in caplog.text


def test_a_disk_that_is_mounted_in_the_output_folder_is_written_in_place(
    job, fail_move
):
    job.leave("old", "deep/results.json").leave("old", "more.json")
    names = ["more.json", "deep/results.json"]
    fail_move("deep/results.json", errno.EXDEV)
    run_job(job, write_outputs, names)
    assert job.read("deep/results.json") == job.read("more.json") == "new"


def test_a_new_file_on_another_disk_is_a_400_and_leaves_nothing(job, fail_move):
    job.leave("old", "deep/notes.txt").leave("old", "more.json")
    before = job.outputs()
    names = ["more.json", "deep/results.json"]
    fail_move("deep/results.json", errno.EXDEV)
    run_job(job, write_outputs, names, 400, "Invalid cross-device link")
    assert job.outputs() == before


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
    run_job(job, fail, code=500)
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
    inode = os.stat(str(job.output / "results.json")).st_ino
    with caplog.at_level(logging.WARNING):
        run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert os.stat(str(job.output / "results.json")).st_ino == inode
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

    message = run_job(job, run, code=400, message=str(job.output / "zebra.txt"))
    assert "takes no new files" in message
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
    run_job(job, fail, code=500)
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


# --- jobs at the same time -------------------------------------------------------


@pytest.mark.parametrize("by_link", [False, True])
def test_two_jobs_into_one_folder_never_mix(job, monkeypatch, by_link):
    folder = str(job.output)
    job.output.mkdir()
    if by_link:
        os.symlink(folder, str(job.folder / "link"))
        folder = str(job.folder / "link")
    half, done = threading.Event(), threading.Event()
    rename = os.rename

    def pause(source, target, src_dir_fd=None, dst_dir_fd=None):
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if target == "more.json" and not half.is_set():
            half.set()
            # the other job would have come to its end by then
            done.wait(0.5)

    def commit_other():
        half.wait(5)
        transaction.commit(other, folder)
        done.set()

    staged, other = _stage(job, NAMES, "one"), _stage(job, NAMES, "two")
    monkeypatch.setattr(os, "rename", pause)
    thread = threading.Thread(target=commit_other)
    thread.start()
    transaction.commit(staged, str(job.output))
    thread.join()
    assert job.outputs() == {"results.json": "two", "more.json": "two"}


def _stage(job, names, text="new"):
    """Return the staged outputs of a job."""
    name = outputs.Destination(str(job.output)).name
    staging = outputs.Staging(str(job.output), name, names)
    for path in staging.output_paths:
        write(path, text)
    return staging.settle()


def test_jobs_at_the_same_time_in_one_folder_do_not_hurt_each_other(job):
    job.output.mkdir()
    errors = []

    def work(number):
        name = "{}.json".format(number)
        try:
            for turn in range(20):
                transaction.recover(str(job.output))
                staged = _stage(job, [name], str(turn))
                if turn % 3:
                    transaction.commit(staged, str(job.output))
                else:
                    destination = outputs.Destination(str(job.output))
                    destination.name = os.path.basename(staged.path)
                    destination.clean_up()
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


# --- what a dead server left -----------------------------------------------------


@contextlib.contextmanager
def _dying(job, name):
    """Let this process die once an output has moved."""
    rename = os.rename

    def dying(source, target, src_dir_fd=None, dst_dir_fd=None):
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if _resolve(target, dst_dir_fd) == str(job.output / name):
            os._exit(7)

    os.rename = dying
    yield
    os.rename = rename


def _die_while_moving(job, names, name):
    """Commit in a process that dies once an output has moved."""
    process = os.fork()
    if process == 0:
        try:
            with _dying(job, name):
                transaction.commit(_stage(job, names), str(job.output))
        finally:
            os._exit(1)
    assert os.waitpid(process, 0)[1] >> 8 == 7


def _recover(job):
    """Recover as a server does that opens the folder for the first time."""
    transaction._recover.cache_clear()
    transaction.recover(str(job.output))


@pytest.mark.parametrize("earlier", [(), ("results.json",), NAMES])
@pytest.mark.parametrize("last", NAMES)
def test_what_a_process_that_died_while_it_moved_files_has_done_is_undone(
    job, earlier, last
):
    job.leave("theirs", "notes.txt")
    for name in earlier:
        job.leave("old", name)
    before = job.outputs()
    _die_while_moving(job, NAMES, last)
    changed = job.outputs()
    assert any(name.startswith(".psc-") for name in changed)
    assert {name: changed.get(name) for name in NAMES} != {
        name: before.get(name) for name in NAMES
    }
    _recover(job)
    assert job.outputs() == before


def test_folders_that_a_process_that_died_has_moved_are_put_back(job):
    job.leave("old", "results/a.txt").leave("old", "results/b.txt")
    job.leave("old", "deep/a.txt")
    before = job.outputs()
    names = ["deep/a.txt", "deep/er/b.txt", "results/a.txt"]
    staged_names = ["deep/a.txt", "results", "zebra.txt"]
    process = os.fork()
    if process == 0:
        try:
            staged = _stage(job, names + ["zebra.txt"])
            staged = staged._replace(names=tuple(staged_names))
            with _dying(job, "results"):
                transaction.commit(staged, str(job.output))
        finally:
            os._exit(1)
    assert os.waitpid(process, 0)[1] >> 8 == 7
    assert job.outputs()["results/a.txt"] == "new"
    _recover(job)
    assert job.outputs() == before


def test_a_newer_result_is_not_rolled_back(job):
    job.leave("old").leave("old", "more.json").leave("old", "zebra.txt")
    _die_while_moving(job, ["more.json", "results.json", "zebra.txt"], "results.json")
    # a server that had opened the folder before
    transaction.commit(_stage(job, ["results.json"], "newer"), str(job.output))
    _recover(job)
    assert job.outputs() == {
        "more.json": "old",
        "results.json": "newer",
        "zebra.txt": "old",
    }


def test_a_newer_file_is_known_also_by_the_inode_of_a_removed_one(job):
    job.leave("old").leave("old", "more.json")
    _die_while_moving(job, NAMES, "results.json")
    path = str(job.output / "results.json")
    # the same inode at another time stands for one that the system has given again
    with open(path, "w") as file:
        file.write("newer")
    os.utime(path, (1, 1))
    _recover(job)
    assert job.read() == "newer"


def _find_dead():
    """Return the id of a process that is dead."""
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    return process


def _plant(job, host=None, pid=None, start=1, mode=0o700, journal=(), parent=None):
    """Make a staging folder; by default, of a dead process of this machine."""
    owner = "{}-{}-{}".format(host or find_host(), pid or _find_dead(), start)
    folder = (parent or job.output) / ".psc-{}-1".format(owner)
    write(str(folder / "results.json"), "half")
    backup = folder / ".psc-backup"
    backup.mkdir()
    for number in range(3):
        (backup / str(number)).write_text("planted")
    (backup / "journal").write_text(json.dumps(journal))
    folder.chmod(mode)
    return folder


@pytest.mark.parametrize(("run", "code"), [(write_outputs, 200), (fail, 500)])
def test_what_a_dead_process_left_is_removed(job, run, code):
    _plant(job)
    _plant(job)
    run_job(job, run, code=code)
    assert job.outputs() == ({"results.json": "new"} if code == 200 else {})


def test_what_a_living_process_uses_is_kept(job):
    pids = [os.getpid(), os.getppid()]
    folders = [_plant(job, pid=pid, start=find_start(pid)) for pid in pids]
    run_job(job, write_outputs)
    for folder in folders:
        assert (folder / "results.json").read_text() == "half"


def test_what_a_dead_process_left_goes_also_where_another_has_its_id(job):
    folder = _plant(job, pid=os.getpid(), start=find_start(os.getpid()) - 1)
    run_job(job, write_outputs)
    assert not folder.exists()


def test_a_process_lives_also_where_its_start_cannot_be_read(monkeypatch):
    pid, start = os.getpid(), find_start(os.getpid())
    monkeypatch.setattr(procfs, "find_start", lambda pid: 0)
    assert is_alive(pid, start)
    assert not is_alive(_find_dead(), start)


def test_the_folder_of_another_machine_is_kept_for_a_day(job):
    journal = [["notes.txt", ".psc-backup/0", []]]
    job.leave("theirs", "notes.txt")
    folder = _plant(job, host="0" * 12, journal=journal)
    run_job(job, write_outputs)
    assert (folder / "results.json").read_text() == "half"
    a_day_ago = time.time() - 24 * 60 * 60
    os.utime(str(folder), (a_day_ago + 60, a_day_ago + 60))
    _recover(job)
    assert folder.exists()
    os.utime(str(folder), (a_day_ago - 60, a_day_ago - 60))
    _recover(job)
    assert job.outputs() == {"results.json": "new", "notes.txt": "theirs"}


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_folder_that_others_can_open_is_kept(job, mode):
    folder = _plant(job, mode=mode, journal=[["results.json", ".psc-backup/0", []]])
    run_job(job, write_outputs)
    assert folder.exists()
    assert job.read() == "new"


def test_a_folder_of_another_user_is_kept(job, monkeypatch):
    folder = _plant(job, journal=[["results.json", ".psc-backup/0", []]])
    job.leave("old")
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(str(folder)).st_uid + 1)
    _recover(job)
    assert folder.exists()
    assert job.read() == "old"


def test_files_links_and_folders_that_only_look_like_staging_are_kept(job, tmp_path):
    write(str(tmp_path / "theirs" / "notes.txt"), "theirs")
    (tmp_path / "theirs").chmod(0o700)
    job.leave("theirs", ".psc-notes/a.txt").leave("theirs", "psc-folder/notes.txt")
    (job.output / ".psc-notes").chmod(0o700)
    name = ".psc-{}-{}-1-".format(find_host(), _find_dead())
    os.symlink(str(tmp_path / "theirs"), str(job.output / (name + "1")))
    job.leave("theirs", name + "2")
    found = set(job.outputs())
    run_job(job, write_outputs)
    assert set(job.outputs()) == found | {"results.json"}
    assert os.listdir(str(tmp_path / "theirs")) == ["notes.txt"]


def _plan_attacks(victim):
    status = os.stat(victim)
    identity = [status.st_dev, status.st_ino, status.st_mtime_ns]
    for path in [
        victim,
        "../victim.txt",
        "deep/../../victim.txt",
        "link/victim.txt",
        "trap.json",
    ]:
        for backup in (".psc-backup/0", ""):
            yield [[path, backup, []]]
            yield [[path, backup, identity]]
    for backup in [victim, "../../victim.txt", "../link/victim.txt"]:
        yield [["new.json", backup, [1]]]
        yield [["results.json", backup, []]]


ATTACKS = 26


@pytest.mark.parametrize("number", range(ATTACKS))
def test_a_planted_journal_reaches_nothing_outside(job, number):
    victim = job.folder / "victim.txt"
    victim.write_text("theirs")
    attacks = list(_plan_attacks(str(victim)))
    assert len(attacks) == ATTACKS
    (job.output / "deep").mkdir(parents=True)
    os.symlink(str(job.folder), str(job.output / "link"))
    os.symlink(str(victim), str(job.output / "trap.json"))
    folder = _plant(job, journal=attacks[number])
    job.leave("old")
    _recover(job)
    assert victim.read_text() == "theirs"
    assert job.read() == "old"
    assert not folder.exists()


@pytest.mark.parametrize(
    "journal", [None, 1, {}, [1], [[]], [[1, 2, 3]], [["a\0", "b", []]]]
)
def test_an_odd_journal_is_no_journal(job, journal):
    folder = _plant(job, journal=journal)
    run_job(job, write_outputs)
    assert not folder.exists()
    assert job.outputs() == {"results.json": "new"}


def test_a_journal_that_nobody_writes_holds_up_no_job(job):
    folder = _plant(job)
    (folder / ".psc-backup" / "journal").unlink()
    os.mkfifo(str(folder / ".psc-backup" / "journal"))
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}


def test_no_journal_is_written_or_read_in_the_folder_for_temporary_files(
    job, monkeypatch, no_new_files, temporary_folder
):
    job.leave("old")
    journal = [["results.json", ".psc-backup/0", []]]
    planted = _plant(job, journal=journal, parent=temporary_folder)
    opened = []
    open_file = Folder.open

    def spy(self, path, *args):
        opened.append(path)
        return open_file(self, path, *args)

    monkeypatch.setattr(Folder, "open", spy)
    run_job(job, write_outputs)
    assert opened
    assert not any("journal" in path for path in opened)
    assert job.outputs() == {"results.json": "new"}
    assert os.listdir(str(temporary_folder)) == [planted.name]


def test_a_staging_folder_that_was_swapped_for_a_link_moves_nothing(job, tmp_path):
    for names in (NAMES, ["results.json"]):
        job.leave("old").leave("old", "more.json")
        staged = _stage(job, names)
        victim = tmp_path / "victim-{}".format(len(names))
        os.rename(staged.path, str(victim))
        os.symlink(str(victim), staged.path)
        with pytest.raises(transaction.InvalidJob, match=str(job.output)):
            transaction.commit(staged, str(job.output))
        assert set(os.listdir(str(victim))) == set(names)
        assert job.read() == job.read("more.json") == "old"
        os.unlink(staged.path)


def test_a_folder_that_is_swapped_for_a_link_while_files_move_is_not_followed(
    job, tmp_path, monkeypatch
):
    job.leave("old", "a.json").leave("theirs", "deep/notes.txt")
    (tmp_path / "victim").mkdir()
    move = Folder.move

    def swap(self, path, target, new_path):
        if new_path == "deep/b.json":
            os.rename(str(job.output / "deep"), str(tmp_path / "deep"))
            os.symlink(str(tmp_path / "victim"), str(job.output / "deep"))
        move(self, path, target, new_path)

    monkeypatch.setattr(Folder, "move", swap)
    run_job(job, write_outputs, ["a.json", "deep/b.json"], 400, "deep/b.json")
    assert os.listdir(str(tmp_path / "victim")) == []
    assert job.read("a.json") == "old"


def test_a_file_system_without_hard_links_works(job, monkeypatch, fail_move):
    def link(*args, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    job.leave("old").leave("old", "more.json")
    run_job(job, write_outputs, NAMES)
    assert job.outputs() == {"results.json": "new", "more.json": "new"}
    before = job.outputs()
    fail_move("results.json")
    run_job(job, lambda _, *paths: [write(path, "newer") for path in paths], NAMES, 400)
    assert job.outputs() == before
