"""The lines of the log: how they are formatted, joined and written."""

import contextlib
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading

import pytest
from flask_psc_model import log_output, logs
from flask_psc_model.log_output import (
    MAX_LINE,
    MAX_RECORD,
    LineStream,
    LineWriter,
    Records,
)
from flask_psc_model.logs import Context, JsonFormatter, TextFormatter
from flask_psc_model.workers import output
from flask_psc_model.workers.output import FrameWriter, ModelOutput

from .processes import wait_until

TRACEBACK = """Traceback (most recent call last):
  File "model.py", line 3, in run
    x[3]
IndexError: no such index"""

CHAINED = (
    TRACEBACK
    + """

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "model.py", line 5, in run
RuntimeError: broken"""
)

#: As `faulthandler` and `threading` write them.
DUMP = """Fatal Python error: Segmentation fault

Thread 0x00007f0e5c0 (most recent call first):
  File "model.py", line 9 in wait
  ...

Current thread 0x00007f0e5c1 (most recent call first):
  File "model.py", line 3 in run

Extension modules: yaml._yaml (total: 1)"""
IN_THREAD = "Exception in thread Thread-1 (work):\n" + TRACEBACK

GROUPS = [TRACEBACK, CHAINED, DUMP, IN_THREAD]


@pytest.fixture
def pipe():
    """Return both ends of a pipe, the first of which does not wait."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    yield read_fd, write_fd
    for fd in (read_fd, write_fd):
        with contextlib.suppress(OSError):
            os.close(fd)


def make_record(message="hello", error=None):
    """Return a record of the log."""
    info = (type(error), error, None) if error else None
    return logging.LogRecord("model", logging.INFO, "", 0, message, (), info)


def join(text):
    """Return the records that the lines of a text become."""
    found = []
    records = Records(lambda lines: found.append("\n".join(lines)))
    for line in text.split("\n"):
        records.add(line)
    records.finish()
    return found


def collect():
    """Return a stream and the records that it emits."""
    found = []
    return LineStream("<test>", 1, lambda lines: found.append("\n".join(lines))), found


# --- one event, one line ---------------------------------------------------------


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_control_characters_are_escaped(formatter):
    wild = "".join(map(chr, range(32))) + "\x7f\x85\x9b\u2028\u2029"
    for line in (
        formatter.format(make_record("a" + wild + "b")),
        formatter.format(make_record(error=ValueError(wild.replace("\n", "")))),
    ):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", line)


def test_what_an_exception_says_cannot_look_like_an_event():
    text = TextFormatter().format(make_record(error=ValueError("x\n2026-01-01 fake")))
    first, *others = text.split("\n")
    assert first.endswith("hello")
    assert "  2026-01-01 fake" in others
    assert all(line.startswith("  ") for line in others)


def test_colors_are_left_out():
    entry = json.loads(JsonFormatter().format(make_record("\x1b[31mred\x1b[0m")))
    assert entry["message"] == "red"


@pytest.mark.parametrize("level", ["loud", "7", "NOTSET"])
def test_an_unknown_level_is_refused(monkeypatch, level):
    monkeypatch.setenv("PSC_LOG_LEVEL", level)
    with pytest.raises(ValueError, match="PSC_LOG_LEVEL.*DEBUG, INFO, WARNING"):
        logs.make_logging_config()


def test_a_level_may_be_in_small_letters(monkeypatch):
    monkeypatch.setenv("PSC_LOG_LEVEL", "debug")
    assert logs.make_logging_config()["root"]["level"] == "DEBUG"


# --- whose line it is ------------------------------------------------------------


def find_in_a_thread():
    """Return the context that a new thread finds."""
    found = []
    thread = threading.Thread(target=lambda: found.append(logs.get_context()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_of_the_model_logs_for_the_only_job():
    one, other = Context("one", "trace"), Context("other")
    assert find_in_a_thread() == Context("-", "")
    logs.begin_job(one)
    assert find_in_a_thread() == one
    logs.begin_job(other)
    assert find_in_a_thread() == Context("-", "")
    logs.end_job(one)
    assert find_in_a_thread() == other
    logs.end_job(other)
    assert find_in_a_thread() == Context("-", "")


def test_a_trace_that_is_none_is_left_out():
    trace = "00-{}-{}-01".format("a" * 32, "b" * 16)
    for given, kept in ((trace, trace), (trace + "\n", ""), ("cats", ""), ("", "")):
        logs.set_request_id("x", given)
        assert logs.get_context() == Context("x", kept)


# --- records of several lines ----------------------------------------------------


@pytest.mark.parametrize("text", GROUPS)
def test_a_traceback_or_a_dump_is_one_record(text):
    assert join(text) == [text]
    assert join("before\n" + text + "\nafter") == ["before", text, "after"]
    assert join(text + "\n" + text.replace("model", "other")) in (
        [text, text.replace("model", "other")],
        # two dumps in a row belong together
        [text + "\n" + text.replace("model", "other")],
    )


def test_other_lines_are_records_by_themselves():
    lines = ["  indented", "Traceback, they say", "ValueError: none", "Thread pool: 3"]
    assert join("\n".join(lines + ["", " "])) == lines


def test_a_header_without_its_traceback_is_a_line():
    assert join("Exception ignored in a test\nnext") == [
        "Exception ignored in a test",
        "next",
    ]


def test_a_record_that_does_not_end_is_split():
    records = join("\n".join(["Traceback (most recent call last):"] + ["  x"] * 5000))
    assert [record.count("\n") + 1 for record in records][:1] == [MAX_RECORD]
    assert sum(record.count("\n") + 1 for record in records) == 5001


# --- what is printed -------------------------------------------------------------


def test_the_lines_of_threads_are_whole():
    stream, found = collect()

    def work(number):
        for _ in range(200):
            print(number, "a", "b", number, file=stream)

    threads = [threading.Thread(target=work, args=[each]) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [
        "{0} a b {0}".format(number) for number in range(8) for _ in range(200)
    ]


def test_what_a_return_overwrites_is_gone():
    stream, found = collect()
    for percent in (10, 50, 100):
        print("\r{} %".format(percent), end="", file=stream, flush=True)
    print(file=stream)
    print("a\r\nb\r", file=stream)
    assert found == ["100 %", "a", "b"]


def test_a_line_without_its_end_is_written_at_the_end_of_the_job_or_the_thread():
    stream, found = collect()
    print("begun", end="", file=stream)
    assert found == []
    stream.finish()
    thread = threading.Thread(target=lambda: stream.write("of a thread"))
    thread.start()
    thread.join()
    assert found == ["begun", "of a thread"]


def test_a_traceback_is_written_at_once():
    stream, found = collect()
    for line in TRACEBACK.split("\n"):
        print(line, file=stream)
    assert found == [TRACEBACK]
    stream.write(TRACEBACK + "\nof two lines\n")
    assert found[1:] == [TRACEBACK + "\nof two lines"]


def test_bytes_and_lone_surrogates_can_be_printed():
    stream, found = collect()
    print("größe \udc80", file=stream)
    stream.buffer.write(b"\xff bytes\n")
    assert found == ["größe \\udc80", "\\xff bytes"]
    assert (stream.fileno(), stream.isatty(), stream.encoding) == (1, False, "utf-8")


def test_a_line_without_end_is_split():
    stream, found = collect()
    for _ in range(3):
        stream.write("x" * MAX_LINE)
    assert found
    print("y", file=stream)
    assert "".join(found) == "x" * 3 * MAX_LINE + "y"
    assert max(map(len, found)) <= 2 * MAX_LINE


# --- a reader that does not read -------------------------------------------------


def put_in_time(writer, line, count):
    """Write a line some times; fail where that waits for a reader."""
    thread = threading.Thread(
        target=lambda: [writer.put(line) for _ in range(count)], daemon=True
    )
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("has_thread", [True, False])
@pytest.mark.parametrize("size", [100, 10000])
def test_no_line_waits_for_a_reader(monkeypatch, pipe, has_thread, size):
    monkeypatch.setattr(log_output, "MAX_WAITING", 200000)
    writer = LineWriter(pipe[1])
    if has_thread:
        writer.start()
    line, count = b"x" * (size - 1) + b"\n", 400000 // size
    put_in_time(writer, line, count)
    assert 0 < writer.dropped < count
    received = b""
    kept = (count - writer.dropped) * size
    while len(received) < kept:
        assert select.select([pipe[0]], [], [], 20)[0]
        received += os.read(pipe[0], 1 << 20)
        if not has_thread:
            writer.flush(0.01)
    assert set(received.split(b"\n")) == {line[:-1], b""}


def test_a_large_line_is_written_whole_and_in_its_turn(pipe):
    writer = LineWriter(pipe[1])
    writer.start()
    lines = [b"first\n", b"x" * 100000 + b"\n", b"last\n"]
    for line in lines:
        writer.put(line)
    received = b""
    while len(received) < sum(map(len, lines)):
        assert select.select([pipe[0]], [], [], 20)[0]
        received += os.read(pipe[0], 1 << 20)
    assert received == b"".join(lines)


def test_a_closed_reader_stops_nobody(pipe):
    writer = LineWriter(pipe[1])
    os.close(pipe[0])
    put_in_time(writer, b"lost\n", 3)
    writer.flush()


def test_the_handler_of_a_signal_can_write_while_its_thread_writes(pipe):
    writer, frames = LineWriter(pipe[1]), FrameWriter(pipe[1])

    def work():
        with writer._changing, writer._writing, frames._lock:
            writer.put(b"a line\n")
            frames.put(b"a frame\n")
        writer.put(b"another\n")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert sorted(os.read(pipe[0], 100).split(b"\n")) == [
        b"",
        output.BEGIN + b"a frame" + output.END,
        b"a line",
        b"another",
    ]


def test_a_forked_child_can_write(pipe):
    writer = LineWriter(pipe[1])
    writer.start()
    # as a thread of the parent may hold them
    with writer._changing, writer._writing:
        pid = os.fork()
        if not pid:
            writer.put(b"child\n")
            os._exit(0)
    try:
        wait_until(lambda: select.select([pipe[0]], [], [], 0)[0])
        assert os.read(pipe[0], 100) == b"child\n"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# --- the pipe from a model process -----------------------------------------------


@pytest.fixture
def model(monkeypatch):
    """Return the output of a model process, and the lines that arrive in the log."""
    lines = []
    writer = type("Writer", (), {"put": lambda self, line: lines.append(line)})()
    monkeypatch.setattr(output, "WRITER", writer)
    model = ModelOutput()
    model.pid = 42
    model.find_context = lambda: Context("the-job")
    model.start()
    yield model, lines
    model.close()
    with contextlib.suppress(OSError):
        os.close(model.write_fd)


def messages(lines):
    """Return the lines without their times."""
    return [line.decode().split(None, 1)[1] for line in lines]


def test_frames_and_raw_lines_arrive_in_their_order(model):
    model, lines = model
    frames = FrameWriter(model.write_fd)
    os.write(model.write_fd, b"raw one\nraw ")
    frames.put(b"framed\n  traceback\n")
    os.write(model.write_fd, b"two\n")
    wait_until(lambda: len(lines) == 4)
    assert lines[2] == b"framed\n  traceback\n"
    assert messages(lines[:2] + lines[3:]) == [
        "INFO    the-job raw one\n",
        "INFO    the-job raw \n",
        "INFO    the-job two\n",
    ]


def test_a_torn_frame_is_shown_as_what_it_is(model):
    model, lines = model
    os.write(model.write_fd, output.BEGIN + b"the process was killed he")
    os.close(model.write_fd)
    wait_until(lambda: lines)
    assert messages(lines) == ["INFO    the-job \\x1ethe process was killed he\n"]


def test_a_dump_to_which_nothing_is_added_is_one_record(model):
    model, lines = model
    for line in DUMP.split("\n"):
        os.write(model.write_fd, line.encode() + b"\n")
    [record] = wait_until(lambda: lines)
    assert b"ERROR   the-job Fatal Python error: Segmentation fault\n" in record
    assert DUMP.replace("\n", "\n  ").encode() in record


def test_the_reader_ends_though_a_process_keeps_the_pipe(monkeypatch, request):
    monkeypatch.setattr(output, "IDLE_SECONDS", 0.05)
    before = set(threading.enumerate())
    model, lines = request.getfixturevalue("model")
    [thread] = set(threading.enumerate()) - before
    os.write(model.write_fd, b"no end")
    model.close()
    wait_until(lambda: not thread.is_alive())
    assert messages(lines) == ["INFO    the-job no end\n"]
    # nothing is read any more
    model.read()


def test_a_program_that_prints_at_its_end_loses_nothing(tmp_path):
    code = (
        "import sys, threading;"
        "from flask_psc_model import logs;"
        "logs.configure_logging(); logs.capture_streams(logs.WRITER.put);"
        "logs.WRITER.start();"
        "print('x' * 50000);"
        "threading.Thread(target=lambda: 1 / 0).start();"
        "print('last', end='')"
    )
    folder = os.path.dirname(os.path.dirname(logs.__file__))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(
            os.environ,
            PYTHONDONTWRITEBYTECODE="1",
            PYTHONPATH=folder,
            PSC_LOG_FORMAT="json",
        ),
        stderr=subprocess.PIPE,
        timeout=60,
    )
    entries = [json.loads(line) for line in ended.stderr.decode().splitlines()]
    assert {each["message"][-4:] for each in entries} >= {"xxxx", "last"}
    assert any("ZeroDivisionError" in each.get("traceback", "") for each in entries)
