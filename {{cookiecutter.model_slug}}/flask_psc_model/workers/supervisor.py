"""The supervisor of one model process: starts it, runs jobs in it, and replaces it.

    STARTING -> LOADING -> READY -> STOPPING -> STARTING ...
                   |                   ^
                   +----> FAILED ------+  (once its pause is over, at the next request)

A process holds one job, or up to two batches of a batch model. Where it breaks down, the
jobs that it had not started go back into the queue. If it had started one job, that one
has failed. Several are suspects: each runs again, alone in its process.

One thread does all of it, so that a process has one owner: it starts the process (and
lives as long, or the kernel would kill that), reads what arrives, keeps the time limit,
notices the death, and ends whatever the process has started. A request's thread only
writes its job into the pipe, which never waits.
"""

import concurrent.futures
import contextlib
import enum
import logging
import math
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Tuple

from ..errors import (
    CRASH,
    DONE,
    FAILED,
    INVALID_INPUT,
    KINDS,
    RECYCLED,
    SHUTDOWN,
    TIME_LIMIT,
)
from ..jobs.outputs import Staged
from ..jobs.result import JobResult, failed, not_loaded
from ..logs import NO_CONTEXT, Context
from ..model.loading import CLOSE_SECONDS, describe
from . import stats
from .channel import BrokenChannel, Channel, Message
from .process import ModelProcess, describe_exit, reap_orphans
from .table import ALONE, WAITING

if TYPE_CHECKING:
    from .pool import WorkerPool

#: Seconds between two looks at a process that is idle, and at one that works.
IDLE_SECONDS, BUSY_SECONDS = 0.25, 0.05

#: Seconds until a failed load may be tried again: the first time, and at most.
FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0

#: A load that takes so many times `timeout.status` hangs.
LOAD_FACTOR = 10

#: So many failed jobs in a row, with no other result between, make a process suspect.
MAX_FAILURES = 3

#: Seconds between two replacements for that: the first time, and at most.
FIRST_SUSPICION, LAST_SUSPICION = 10.0, 600.0

#: Seconds that a process may take to end once its end of the pipe is closed.
END_SECONDS = 1

log = logging.getLogger(__name__)


class State(enum.Enum):
    """What a model process is doing."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"


class PendingJob:
    """A job between its request and its result.

    Attributes:
        number: no other job of the pool has it.
        message: for the model process.
        future: of its result.
        is_gone: returns whether the client has left; the pool's lock is held.
        came: when, of `time.monotonic()`.
        handed: when it was handed to a process; None while no process has it.
        was_started: whether an earlier process has started it.
        is_suspect: whether that one may have broken down by this job.
    """

    def __init__(
        self, number: int, message: Message, is_gone: Callable[[], bool]
    ) -> None:
        self.number = number
        self.message = message
        self.is_gone = is_gone
        self.future: "concurrent.futures.Future[JobResult]" = (
            concurrent.futures.Future()
        )
        self.came = time.monotonic()
        self.handed: Optional[float] = None
        self.was_started = self.is_suspect = False

    def __lt__(self, other: "PendingJob") -> bool:
        """Return whether it runs before another one."""
        return (not self.is_suspect, self.number) < (not other.is_suspect, other.number)


class Ending(Exception):
    """The model process has ended, or must end; the message says why, after "it".

    Attributes:
        reason: for the metrics, one of `stats.REASONS`; `SHUTDOWN` is not counted.
        result: of the job that has caused it, or of the load, where the message does
            not say it all.
        blamed: numbers of the jobs that may have caused it; nothing for all of them.
        is_clear: whether no other job is a suspect.
    """

    def __init__(
        self,
        reason: str,
        why: str,
        result: Optional[JobResult] = None,
        blamed: Sequence[int] = (),
        is_clear: bool = False,
    ) -> None:
        super().__init__(why)
        self.reason = reason
        self.result = result
        self.blamed = blamed
        self.is_clear = is_clear


class Supervisor:
    """Keeps one model process alive and runs jobs in it.

    Attributes:
        thread: does all the work.
        state: of the process; `_enter` alone changes it, with the pool's lock held.
        failure: why the model could not be loaded, in the state FAILED.
        room: jobs that the process may hold, known once the model is loaded.
        loading_since: of `time.monotonic()`.
        idle_since: likewise.
    """

    def __init__(self, pool: "WorkerPool", environment: Dict[str, str]) -> None:
        """Choose the process, without starting it.

        Args:
            pool: whose jobs it runs.
            environment: variables to set for it.
        """
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.state = State.STARTING
        self.failure: Optional[JobResult] = None
        # it may start later than the pool
        self.loading_since = math.inf
        self.idle_since = time.monotonic()
        self._pool = pool
        self._environment = environment
        self._process: Optional[ModelProcess] = None
        self._has_loaded = False
        self._jobs: Dict[int, PendingJob] = {}
        self.room = 1
        self._retirement: Optional[Ending] = None
        self._served = self._failures = 0
        self._pause, self._suspicion = FIRST_PAUSE, FIRST_SUSPICION
        self._retry_at = self._suspect_from = self._reap_at = 0.0
        self._look_at = self._worked_at = 0.0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    @property
    def pid(self) -> int:
        """The id of the process, 0 while there is none."""
        process = self._process
        return process.pid if process else 0

    @property
    def load(self) -> Tuple[int, float]:
        """What orders the processes that a job may go to; the pool's lock is held."""
        return len(self._jobs), self.idle_since

    @property
    def is_accepting(self) -> bool:
        """Whether its process is to have more jobs; the pool's lock is held."""
        return self.state is State.READY and not self._retirement

    def has_room(self, pending: PendingJob) -> bool:
        """Return whether a job can be handed to it; the pool's lock is held."""
        if not self.is_accepting or len(self._jobs) >= self.room:
            return False
        held = list(self._jobs.values())
        return not held or not (pending.is_suspect or held[0].is_suspect)

    def hand(self, pending: PendingJob) -> None:
        """Accept a job; the pool's lock is held. `flush` sends it, or the loop does."""
        assert self._process
        pending.handed = time.monotonic()
        if not self._jobs:
            self._worked_at = pending.handed
        self._process.channel.put(pending.message)
        self._jobs[pending.number] = pending

    def count_jobs(self) -> int:
        """Return the number of jobs that the process has."""
        return len(self._jobs)

    def flush(self) -> None:
        """Send the jobs that were handed to the process."""
        process = self._process
        if process:
            process.channel.flush()

    def wake(self) -> None:
        """Have the loop look around now; safe to call from a signal handler."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def retry(self) -> None:
        """Load again if loading has failed and its pause is over; the lock is held."""
        if self.state is State.FAILED and time.monotonic() >= self._retry_at:
            self._pool.stats.restarts.add(stats.FAILED_LOAD)
            self._enter(State.STARTING)
            self.wake()

    def _enter(self, state: State, failure: Optional[JobResult] = None) -> None:
        with self._pool.changed:
            self.state = state
            self.failure = failure
            if state is State.STARTING:
                self.loading_since = time.monotonic()
            if state is State.READY:
                self.idle_since = time.monotonic()
            self._pool.changed.notify_all()

    def _run(self) -> None:
        """Keep a process until the shutdown; no error ends this thread before."""
        self._enter(State.STARTING)
        error: Optional[BaseException] = None
        while True:
            try:
                if error:
                    self._end(error)
                    error = None
                elif self._pool.stopping:
                    self._enter(State.STOPPING)
                    self._pool.dispatch()
                    return
                elif self.state is State.FAILED:
                    self._wait(IDLE_SECONDS)
                    self._reap()
                else:
                    self._keep_process()
            except BaseException as caught:
                error = caught

    def _keep_process(self) -> None:
        """Start a process and see it through to its end.

        Raises:
            Ending: always, unless something unexpected is raised.
        """
        self._has_loaded = False
        self._retirement = None
        self._served = self._failures = 0
        try:
            self._process = process = ModelProcess(self._environment)
        except OSError as error:
            why = not_loaded(f"no model process can be started: {error}")
            raise Ending(stats.FAILED_LOAD, "could not start", why) from None
        process.output.find_context = self._find_context
        self._load(process)
        self._has_loaded = True
        self._pause = FIRST_PAUSE
        self._enter(State.READY)
        while True:
            self._pool.dispatch()
            seconds = BUSY_SECONDS if self._jobs else IDLE_SECONDS
            for message in self._receive(process, seconds):
                self._answer(process, message)
            self._check_time_limit(process)
            if not self._jobs or self._pool.aborted:
                self._check_shutdown()
            retirement = self._retirement
            if retirement and (retirement.result or not self._jobs):
                raise retirement
            self._reap()

    def _reap(self) -> None:
        now = time.monotonic()
        if now >= self._reap_at:
            self._reap_at = now + IDLE_SECONDS
            reap_orphans()

    def _load(self, process: ModelProcess) -> None:
        pool = self._pool
        pool.model_set.wait()
        self._enter(State.LOADING)
        process.channel.put({"load": [pool.factory, pool.spec.path]})
        started = time.monotonic()
        limit = LOAD_FACTOR * pool.spec.limits.status_timeout
        messages: List[Message] = []
        while not messages:
            self._check_shutdown()
            if time.monotonic() - started > limit:
                process.dump_stacks()
                raise Ending(
                    stats.FAILED_LOAD,
                    f"was stopped, since loading had taken {limit:g} s,"
                    f" {LOAD_FACTOR} times timeout.status in model.yaml",
                )
            messages = self._receive(process, BUSY_SECONDS)
        number, size, result = _decode_result(process, messages[0])
        if number or messages[1:]:
            raise Ending(stats.BROKEN_CHANNEL, "sent the result of a job before any")
        if not result.ok:
            raise Ending(stats.FAILED_LOAD, "could not load the model", result)
        self.room = pool.limit_room(2 * size or 1)
        seconds = time.monotonic() - started
        pool.stats.load_times.add(seconds)
        log.info(
            "the model is loaded in process %s, after %.2f s", process.pid, seconds
        )

    def _receive(self, process: ModelProcess, seconds: float) -> List[Message]:
        """Wait for messages of the process.

        Raises:
            Ending: the process has ended, or has sent something else.
        """
        process.channel.flush()
        self._wait(seconds, process.channel)
        try:
            messages = process.channel.receive()
            if messages or process.poll() is None:
                return messages
            # what it sent before it ended
            messages = process.channel.receive()
            if messages:
                return messages
        except BrokenChannel as error:
            raise Ending(stats.BROKEN_CHANNEL, f"sent {error}") from None
        except EOFError:
            pass
        code = process.wait(END_SECONDS)
        if code is None:
            raise Ending(stats.CRASHED, "closed its end of the pipe")
        reason = stats.KILLED if code == -signal.SIGKILL else stats.CRASHED
        raise Ending(reason, describe_exit(code))

    def _wait(self, seconds: float, channel: Optional[Channel] = None) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        if channel:
            poller.register(channel.read_fd, select.POLLIN)
            if channel.is_full:
                poller.register(channel.write_fd, select.POLLOUT)
        if any(fd == self._wake_read for fd, _ in poller.poll(seconds * 1000)):
            os.read(self._wake_read, 4096)

    def _answer(self, process: ModelProcess, message: Message) -> None:
        """Settle the job of a message.

        Raises:
            Ending: the process is to be replaced now.
        """
        number, batch_size, result = _decode_result(process, message)
        # in the log, what a job has printed stands before its end
        process.output.read()
        with self._pool.changed:
            if number not in self._jobs:
                raise Ending(stats.BROKEN_CHANNEL, f"has no job {number} to answer")
            if result.condemns:
                why = "can use its GPU no more"
                self._retirement = Ending(stats.GPU_ERROR, why, result, [number])
                return
            self._settle(self._jobs[number], result)
            del self._jobs[number]
            self._served += 1
            self.idle_since = self._worked_at = time.monotonic()
            self._retirement = self._retirement or self._find_retirement(result)
        if batch_size:
            self._pool.stats.batch_jobs.add(batch_size)

    def _settle(self, pending: PendingJob, result: JobResult) -> None:
        handed = pending.handed or pending.came
        self._pool.stats.wait_times.add(handed - pending.came)
        self._pool.stats.run_times.add(time.monotonic() - handed)
        pending.future.set_result(result)

    def _find_retirement(self, result: JobResult) -> Optional[Ending]:
        """Return why the process ends once it has no more jobs; the lock is held."""
        now = time.monotonic()
        if result.kind == FAILED:
            self._failures += 1
        elif result.kind in (DONE, INVALID_INPUT):
            self._failures = 0
        if self._failures >= MAX_FAILURES and now >= self._suspect_from:
            if now > self._suspect_from + LAST_SUSPICION:
                self._suspicion = FIRST_SUSPICION
            self._suspect_from = now + self._suspicion
            self._suspicion = min(2 * self._suspicion, LAST_SUSPICION)
            return Ending(stats.FAILING, f"failed {self._failures} jobs in a row")
        max_jobs = self._pool.max_jobs
        if max_jobs and self._served >= max_jobs and self._pool.can_spare(self):
            return Ending(stats.MAX_JOBS, f"has run {self._served} jobs")
        return None

    def _check_time_limit(self, process: ModelProcess) -> None:
        """End a process with a job over its limit, or that works on none of its jobs.

        Raises:
            Ending: it does. A job that has a thread to itself has caused it, unless
                another one keeps the lock of the interpreter.
        """
        now = time.monotonic()
        if not self._jobs or now < self._look_at:
            return
        self._look_at = now + BUSY_SECONDS
        found = process.table.read()
        working = {
            number: found[number]
            for number in list(self._jobs)
            if number in found and found[number].activity != WAITING
        }
        limit = self._pool.spec.limits.run_timeout
        late = [each for each in working if now - working[each].since > limit]
        if working and not late:
            self._worked_at = now
        if not late and now - self._worked_at <= limit:
            return
        process.dump_stacks()
        is_alone = len(late) == 1 and working[late[0]].activity == ALONE
        raise Ending(
            stats.TIME_LIMIT,
            f"was stopped at the time limit of {limit:g} s",
            failed(
                f"the run was stopped at its time limit of {limit:g} s; if jobs"
                " may take longer, raise timeout.run in model.yaml",
                TIME_LIMIT,
            ),
            late,
            is_clear=is_alone and process.table.find_beat() > now,
        )

    def _check_shutdown(self) -> None:
        if self._pool.stopping:
            result = failed("the server is shutting down", SHUTDOWN)
            raise Ending(SHUTDOWN, "ends with the server", result)

    def _find_context(self) -> Context:
        """Return the context of the only job of the process."""
        jobs = list(self._jobs.values())
        return Context(*jobs[0].message["context"]) if len(jobs) == 1 else NO_CONTEXT

    def _end(self, error: BaseException) -> None:
        """End the process with all it started, and settle the jobs that it had.

        After an error here it may be called again.
        """
        if isinstance(error, Ending):
            ending = error
        else:
            log.error("the supervisor of a model process failed", exc_info=error)
            why = f"was stopped after an error of the server: {describe(error)}"
            ending = Ending(stats.CRASHED, why)
        self._enter(State.STOPPING)
        process = self._process
        if process:
            if self._has_loaded and ending.reason in (stats.MAX_JOBS, SHUTDOWN):
                self._close_model(process)
            process.kill()
        if self._has_loaded and not self._pool.stopping:
            self._pool.stats.restarts.add(ending.reason)
            log.warning("the model process %s; a new one loads", ending)
        if process:
            self._settle_all(process, ending)
            self._process = None
            process.close()
        if self._pool.stopping:
            return
        if self._has_loaded:
            self._enter(State.STARTING)
        else:
            why = f"the model could not be loaded: its process {ending}"
            self._fail(ending.result or not_loaded(why))

    def _close_model(self, process: ModelProcess) -> None:
        if self._jobs or self._pool.aborted:
            return
        process.channel.put({"close": True})
        process.channel.flush()
        if process.wait(CLOSE_SECONDS) is None:
            process.dump_stacks()
            log.warning("close() of the model was stopped after %s s", CLOSE_SECONDS)

    def _settle_all(self, process: ModelProcess, ending: Ending) -> None:
        """Answer the job that has ended the process, and put back the others.

        Of several jobs that may have, each is a suspect.
        """
        if ending.reason != stats.BROKEN_CHANNEL:
            self._answer_rest(process)
        why = f"the model broke down: its process {ending}"
        is_crash = ending.reason in (stats.KILLED, stats.CRASHED)
        broken = failed(why, CRASH if is_crash else RECYCLED)
        result = (ending.result or broken)._replace(process=process.pid)
        found = process.table.read()
        with self._pool.changed:
            started = [number for number in self._jobs if number in found]
            is_found = ending.is_clear or len(started) == 1
            for number, pending in list(self._jobs.items()):
                is_started = number in started
                if is_started and is_found and number in (ending.blamed or started):
                    self._settle(pending, result)
                else:
                    pending.was_started |= is_started
                    pending.is_suspect |= is_started and not ending.is_clear
                    self._pool.put_back(pending)
                del self._jobs[number]
        self._pool.dispatch()

    def _answer_rest(self, process: ModelProcess) -> None:
        """Settle the jobs that the process had answered before its end."""
        with contextlib.suppress(Ending, BrokenChannel, EOFError):
            messages = process.channel.receive()
            while messages:
                for message in messages:
                    self._answer(process, message)
                messages = process.channel.receive()

    def _fail(self, failure: JobResult) -> None:
        log.error("%s", failure.message)
        with self._pool.changed:
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LAST_PAUSE)
            self._enter(State.FAILED, failure)
        self._pool.dispatch()


def _decode_result(
    process: ModelProcess, message: Message
) -> Tuple[int, int, JobResult]:
    """Return the number of a job, the size of its batch, and its result.

    The number 0 is the load; there the size is that of the largest batch. It is 0 for a
    plain model, and for each job of a batch but its first.

    Raises:
        Ending: the message is not one of the process.
    """
    try:
        if message["pid"] != process.pid or message["kind"] not in KINDS:
            raise ValueError("not the process itself, or no such kind")
        staged = message["staged"]
        result = JobResult(
            message["kind"],
            str(message["message"]),
            Staged(staged[0], tuple(staged[1]), *staged[2:]) if staged else None,
            bool(message["condemns"]),
            process=process.pid,
            batch_jobs=int(message["batch_jobs"]),
            batch_seconds=float(message["batch_seconds"]),
        )
        return int(message["number"]), int(message["batch_size"]), result
    except (LookupError, TypeError, ValueError):
        why = f"sent what is no result of its own: {str(message)[:200]}"
        raise Ending(stats.BROKEN_CHANNEL, why) from None
