"""The channel to a model process, and the table of the jobs that it has started."""

import os
import subprocess
import sys
import time

import pytest
from flask_psc_model.workers import channel as channel_module
from flask_psc_model.workers.channel import (
    LINE_SECONDS,
    MAX_LINE,
    BrokenChannel,
    Channel,
    ModelChannel,
    encode,
)
from flask_psc_model.workers.table import (
    ALONE,
    ROWS,
    TOGETHER,
    WAITING,
    JobTable,
)
from hypothesis import given
from hypothesis import strategies as st

from .template import TEMPLATE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=10,
)
MESSAGES = st.lists(st.dictionaries(st.text(), JSON), max_size=5)


class Ends:
    """Both ends of a channel."""

    def __init__(self):
        job_read, job_write = os.pipe()
        self.answer_read, self.answer_write = os.pipe()
        self.channel = Channel(self.answer_read, job_write)
        self.model = ModelChannel(job_read, self.answer_write)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.model._lines.close()
        os.close(self.answer_write)


@pytest.fixture
def ends():
    """Return both ends of a channel."""
    with Ends() as ends:
        yield ends


@pytest.fixture
def clock(monkeypatch):
    """Return a list of the one time that the channel sees."""
    now = [100.0]
    monkeypatch.setattr(channel_module.time, "monotonic", lambda: now[0])
    return now


def test_a_message_arrives_on_either_side(ends):
    ends.channel.put({"job": "größe \udc80\n"})
    ends.channel.put({"job": 2})
    ends.channel.flush()
    assert ends.model.receive() == {"job": "größe \udc80\n"}
    assert ends.model.receive() == {"job": 2}
    assert ends.channel.receive() == []
    ends.model.send({"answer": 1})
    ends.model.send({"answer": 2})
    assert ends.channel.receive() == [{"answer": 1}, {"answer": 2}]
    assert ends.channel.receive() == []


@given(MESSAGES, st.lists(st.integers(1, 200), max_size=30))
def test_messages_arrive_whole_however_they_are_cut(messages, sizes):
    data = b"".join(map(encode, messages))
    received = []
    with Ends() as ends:
        for size in sizes + [len(data)]:
            os.write(ends.answer_write, data[:size])
            data = data[size:]
            received += ends.channel.receive()
    assert received == messages


@given(st.binary(max_size=300))
def test_whatever_arrives_is_a_message_or_breaks_the_channel(data):
    with Ends() as ends:
        os.write(ends.answer_write, b"x" + data + b"\n")
        with pytest.raises(BrokenChannel, match="a line that is no message: b['\"]x"):
            ends.channel.receive()


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"1", b"null", b'"x"', b"\xff", b"{", b"{}{}", b"[" * 60000]
)
def test_a_line_that_is_no_object_breaks_the_channel(ends, line):
    os.write(ends.answer_write, line + b"\n")
    with pytest.raises(BrokenChannel, match="a line that is no message"):
        ends.channel.receive()


def test_a_line_that_is_too_long_breaks_the_channel(ends):
    os.write(ends.answer_write, b"x" * (MAX_LINE - 1))
    assert ends.channel.receive() == []
    os.write(ends.answer_write, b"x")
    with pytest.raises(BrokenChannel, match="a line without end: b'xxx"):
        ends.channel.receive()


def test_a_line_must_end_within_a_second(ends, clock):
    clock[0] += 1000
    os.write(ends.answer_write, b'{"a"')
    assert ends.channel.receive() == []
    clock[0] += LINE_SECONDS
    assert ends.channel.receive() == []
    os.write(ends.answer_write, b': 1}\n{"b"')
    # the next line has a second of its own
    assert ends.channel.receive() == [{"a": 1}]
    clock[0] += LINE_SECONDS
    assert ends.channel.receive() == []
    clock[0] += 0.1
    with pytest.raises(BrokenChannel, match="a line without end"):
        ends.channel.receive()


def test_silence_breaks_nothing(ends, clock):
    for _ in range(3):
        clock[0] += 1000
        assert ends.channel.receive() == []


def test_the_end_of_the_other_side_is_noticed(ends):
    other = Ends()
    other.channel.close()
    with pytest.raises(EOFError):
        other.model.receive()
    with pytest.raises(BrokenPipeError):
        other.model.send({})
    os.close(other.answer_write)
    other.model._lines.close()
    ends.model._lines.close()
    ends.channel.put({})
    # it has ended, which `receive` finds out
    ends.channel.flush()
    ends.channel.flush()


def test_sending_never_waits_and_loses_nothing(ends):
    messages = [{"number": number, "x": "x" * 10000} for number in range(50)]
    start = time.monotonic()
    for message in messages:
        ends.channel.put(message)
        ends.channel.flush()
    assert time.monotonic() - start < 5
    received = []
    while len(received) < len(messages):
        received.append(ends.model.receive())
        ends.channel.flush()
    assert received == messages


def test_nothing_is_written_once_it_is_closed(ends):
    ends.channel.put({})
    ends.channel.close()
    read, write = os.pipe()
    ends.channel.flush()
    ends.channel.close()
    os.close(write)
    assert os.read(read, 10) == b""
    os.close(read)


# --- the table -------------------------------------------------------------------


def test_the_table_knows_who_was_started_and_for_how_long():
    table = JobTable.create()
    clock = table.add(7)
    assert table.read() == {}
    before = time.monotonic()
    clock.start(ALONE)
    assert table.read()[7].activity == ALONE
    assert before <= table.read()[7].since <= time.monotonic()
    clock.stop()
    assert table.read()[7].activity == WAITING
    table.close()


def test_a_wait_does_not_count():
    table = JobTable.create()
    clock = table.add(7)
    clock.start(ALONE)
    time.sleep(0.02)
    clock.stop()
    time.sleep(0.2)
    clock.start(TOGETHER)
    progress = table.read()[7]
    assert progress.activity == TOGETHER
    assert 0.02 <= time.monotonic() - progress.since < 0.2
    table.close()


def test_a_row_serves_one_job_after_the_other():
    table = JobTable.create()
    for number in range(1, 2 * ROWS):
        clock = table.add(number)
        clock.start(ALONE)
        clock.release()
    assert list(table.read()) == [number]
    table.close()


def test_the_table_can_be_read_after_the_death_of_the_other_process():
    table = JobTable.create()
    program = (
        "import os, sys; from flask_psc_model.workers.table import ALONE, JobTable;"
        "JobTable(int(sys.argv[1])).add(3).start(ALONE); os.kill(os.getpid(), 9)"
    )
    environment = dict(os.environ, PYTHONPATH=TEMPLATE, PYTHONDONTWRITEBYTECODE="1")
    command = [sys.executable, "-c", program, str(table.fd)]
    assert subprocess.call(command, pass_fds=[table.fd], env=environment) == -9
    assert list(table.read()) == [3]
    table.close()


def test_the_file_of_the_table_has_no_name():
    table = JobTable.create()
    path = os.readlink("/proc/self/fd/{}".format(table.fd))
    assert not os.path.exists(path)
    status = os.fstat(table.fd)
    assert status.st_size == 16 * (ROWS + 1)
    assert status.st_blocks * 512 >= status.st_size, "a full disk is known now"
    table.close()


def test_a_table_for_which_there_is_no_room_is_an_error_of_the_system():
    program = (
        "import resource; from flask_psc_model.workers.table import JobTable;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: JobTable.create()\n"
        "except OSError: print('no room')"
    )
    environment = dict(os.environ, PYTHONPATH=TEMPLATE, PYTHONDONTWRITEBYTECODE="1")
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, env=environment) == b"no room\n"
