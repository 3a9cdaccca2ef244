"""The outputs of a job: which of them arrive, and what a failure leaves."""

import os
import socket
import stat
import tempfile
import tracemalloc

import pytest
from flask_psc_model.jobs.outputs import Destination
from flask_psc_model.model.spec import FileSpec, ModelSpec
from flask_psc_model.procfs import find_host, find_start

from .apps import check, make_client
from .writers import (
    FAILURES,
    NAMES,
    beside,
    refuse,
    run_job,
    write,
    write_nothing,
    write_outputs,
)

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


def _make_target(target, tmp_path, path):
    """Write what a link of each kind points to, and return where it points."""
    folder = os.path.dirname(path)
    if target == "absolute, into the staging folder":
        write(os.path.join(folder, "other.txt"))
        return os.path.join(folder, "other.txt")
    if target == "relative":
        write(os.path.join(folder, "other.txt"))
        return "other.txt"
    if target == "to a link":
        write(str(tmp_path / "theirs.txt"))
        os.symlink(str(tmp_path / "theirs.txt"), os.path.join(folder, "link"))
        return "link"
    write(str(tmp_path / "theirs.txt"))
    return str(tmp_path / "theirs.txt")


@pytest.mark.parametrize(
    "target",
    [
        "absolute, into the staging folder",
        "absolute, to a temporary file",
        "relative",
        "to a link",
    ],
)
def test_the_content_of_a_link_arrives(job, tmp_path, target):
    def run(_, path):
        os.symlink(_make_target(target, tmp_path, path), path)

    run_job(job, run)
    assert not (job.output / "results.json").is_symlink()
    assert set(job.outputs().values()) == {"new"}
    if "temporary" in target:
        assert (tmp_path / "theirs.txt").read_text() == "new"


def test_the_content_of_a_link_to_a_folder_arrives_with_that_of_links_in_it(
    job, tmp_path
):
    write(str(tmp_path / "theirs" / "deep" / "a.txt"), "theirs")
    os.symlink("deep", str(tmp_path / "theirs" / "link"))
    os.symlink("../deep/a.txt", str(tmp_path / "theirs" / "deep" / "b.txt"))
    run_job(job, lambda _, path: os.symlink(str(tmp_path / "theirs"), path), "results")
    assert job.outputs() == {
        "results": None,
        "results/deep": None,
        "results/deep/a.txt": "theirs",
        "results/deep/b.txt": "theirs",
        "results/link": None,
        "results/link/a.txt": "theirs",
        "results/link/b.txt": "theirs",
    }
    found = [name for name in job.outputs() if (job.output / name).is_symlink()]
    assert found == []
    assert (tmp_path / "theirs" / "link").is_symlink()


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


def test_a_missing_output_is_reported_with_the_first_files_that_were_written(job):
    def run(_, folder, missing):
        write(os.path.join(folder, "declared.txt"))
        for number in range(7):
            write(beside(missing, "extra/{}.txt".format(number)))

    answer = run_job(job, run, ["masks", "results.json"], 500)
    extra = ", ".join("extra/{}.txt".format(number) for number in range(5))
    assert answer.endswith(
        "did not write its output results.json: it wrote {} and 2 more".format(extra)
    )


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


def test_messages_name_the_folder_of_the_user(job):
    for error, code in ((ValueError, 422), (RuntimeError, 500)):

        def run(_, path, error=error):
            raise error("cannot write {}".format(path))

        path = str(job.output / "results.json")
        message = run_job(job, run, code=code, message="cannot write " + path)
        assert ".psc-" not in message


def test_messages_name_the_folder_of_the_user_where_that_is_a_link(job, tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(str(tmp_path / "real"), str(job.output))

    def run(_, path):
        raise RuntimeError(f"cannot write {os.path.realpath(path)}")

    path = str(job.output / "results.json")
    run_job(job, run, code=500, message="cannot write " + path)


class PanicException(BaseException):
    """What a library in Rust raises."""


def test_an_error_that_is_no_exception_is_the_failure_of_the_model(job):
    def run(_, path):
        write(path)
        raise PanicException("index out of bounds")

    message = "the model failed: PanicException: index out of bounds"
    run_job(job, run, code=500, message=message)
    assert job.outputs() is None


def test_a_keyboard_interrupt_arrives_and_leaves_nothing_behind(job):
    def run(_, path):
        write(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job, run)
    assert job.outputs() is None


# --- what is no output -----------------------------------------------------------


def _write_socket(path):
    # the path of a socket is at most 107 bytes long
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


def _link_to_fifo(path):
    os.mkfifo(beside(path, "fifo"))
    os.symlink("fifo", path)


def _link_to_folder_with_fifo(path):
    folder = os.path.join(os.path.dirname(path), "folder")
    os.mkdir(folder)
    os.mkfifo(os.path.join(folder, "fifo"))
    os.symlink("folder", path)


def _link_to_each_other(path):
    os.symlink("results", beside(path, "zebra"))
    os.symlink("zebra", path)


def _link_to_folder_with_itself(path):
    output_folder = os.path.dirname(os.path.dirname(path))
    folder = tempfile.mkdtemp(dir=os.path.dirname(output_folder))
    for name in ("one", "two"):
        os.symlink(".", os.path.join(folder, name))
    os.symlink(folder, path)


NO_OUTPUTS = [
    (os.mkfifo, "neither a file nor a folder"),
    (_write_socket, "neither a file nor a folder"),
    (_link_to_fifo, "neither a file nor a folder"),
    (_link_to_folder_with_fifo, "neither a file nor a folder"),
    (os.mkdir, "is an empty folder"),
    (lambda path: os.makedirs(path + "/deep/er"), "is an empty folder"),
    (lambda path: os.symlink("nowhere", path), "No such file"),
    (_link_to_each_other, "Too many levels"),
    (_link_to_folder_with_itself, "a folder that it is in"),
    (lambda path: os.symlink(".", path), "a folder that it is in"),
    (lambda path: os.symlink("..", path), "a folder that it is in"),
    (lambda path: os.symlink("/dev/zero", path), "neither a file nor a folder"),
]


@pytest.mark.parametrize(("make", "message"), NO_OUTPUTS)
def test_what_cannot_arrive_is_a_500_that_names_it(job, tmp_path, make, message):
    job.output = tmp_path / "outputs" / "a"

    def run(_, path):
        write(beside(path, "a.txt"))
        make(path)

    text = run_job(job, run, "results", 500, message)
    assert any(name in text for name in ("results", "fifo"))
    assert job.outputs() is None


@pytest.mark.parametrize("name", [".psc-notes", "deep/.psc-notes", ".psc-a/b.txt"])
def test_a_reserved_name_is_a_500_that_says_so(job, name):
    def run(_, path):
        write(path)
        write(beside(path, name))

    message = run_job(job, run, code=500, message="reserved for the server")
    assert "wrote " + name.split("/b")[0] in message
    assert job.outputs() is None


# --- the size of inputs and outputs ----------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    """Declare that `input.txt` and `results.json` have at most 1000 bytes."""
    spec = ModelSpec(
        inputs={"input.txt": FileSpec("input.txt", max_size=1000)},
        outputs={"results.json": FileSpec("results.json", max_size=1000)},
    )
    monkeypatch.setattr(ModelSpec, "of_model", lambda *_: spec)


FAR = 2 * 1000 + 1024 * 1024


@pytest.mark.parametrize(
    ("size", "code", "is_read"),
    [(1000, 200, True), (1001, 422, True), (FAR, 422, True), (FAR + 1, 422, False)],
)
def test_the_model_reads_no_input_that_is_far_too_large(
    job, limit, size, code, is_read
):
    job.give("x" * size)
    read = []

    def run(input_path, path):
        read.append(input_path)
        write(path)

    message = run_job(job, run, code=code)
    assert bool(read) is is_read
    assert ("input.txt has {} bytes".format(size) in message) is (code == 422)
    assert job.outputs() == ({"results.json": "new"} if code == 200 else None)


def test_the_model_has_its_say_about_an_input_that_is_too_large(job, limit):
    job.give("x" * 1001)
    run_job(job, refuse, code=422, message="refused")


def test_an_input_that_is_a_folder_has_no_size(job, limit):
    (job.input / "input.txt").unlink()
    # the size of a folder grows with the number of its names
    for number in range(200):
        write(str(job.input / "input.txt" / str(number)))
    run_job(job, write_outputs)


def test_an_output_that_is_too_large_arrives_and_is_in_the_log(job, limit, caplog):
    run_job(job, lambda _, path: write(path, "x" * 1001))
    assert "the output results.json has 1001 bytes" in caplog.text


# --- the folder for the outputs --------------------------------------------------


@pytest.mark.parametrize("key", ["input", "output"])
@pytest.mark.parametrize("path", ["/x" * 60000, "/" + "x" * 256, "/x" * 2048])
def test_a_path_that_no_system_has_is_a_400_at_once(job, key, path):
    def post():
        return client.post("/run", json=dict(job.body, **{key: path}))

    client = make_client(write_outputs)
    post()
    tracemalloc.start()
    try:
        answer = post()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = check(answer, 400, '"{}" of the job is longer'.format(key))
    assert len(message) < 500
    assert peak < 4 * 10**6


def test_the_longest_path_costs_little():
    folder = "/x" * 2047
    tracemalloc.start()
    try:
        destination = Destination(folder)
        destination.clean_up()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10**6


def test_the_name_of_a_staging_folder_says_whose_it_is_and_cannot_be_foreseen(job):
    names = [Destination(str(job.output)).name for _ in range(2)]
    pid = os.getpid()
    prefix = ".psc-{}-{}-{}-".format(find_host(), pid, find_start(pid))
    assert [name.startswith(prefix) for name in names] == [True, True]
    numbers = [int(name[len(prefix) :]) for name in names]
    assert abs(numbers[0] - numbers[1]) > 1


def test_staging_is_in_the_output_folder(job):
    seen = []

    def run(_, path):
        seen.append(path)
        write(path)

    run_job(job, run)
    path = os.path.relpath(seen[0], str(job.output))
    assert path.startswith(".psc-")
    assert os.path.basename(path) == "results.json"


def test_nobody_else_can_open_the_staging_folder(job):
    modes = []

    def run(_, path):
        modes.append(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode))
        write(path)

    run_job(job, run)
    assert modes == [0o700]


def test_a_folder_that_another_job_removes_again_is_made_again(job, monkeypatch):
    mkdir = os.mkdir
    calls = []

    def make(path, *args, **options):
        if os.path.basename(str(path)).startswith(".psc-"):
            calls.append(path)
            if len(calls) == 2:
                job.output.rmdir()
        mkdir(path, *args, **options)

    monkeypatch.setattr(os, "mkdir", make)
    run_job(job, write_outputs)
    assert job.outputs() == {"results.json": "new"}
    assert len(calls) > 2


def test_no_open_file_is_left_behind(job):
    before = len(os.listdir("/proc/self/fd"))
    for run, code in [(write_outputs, 200), (refuse, 422), (write_nothing, 500)] * 10:
        run_job(job, run, code=code)
    assert len(os.listdir("/proc/self/fd")) == before
