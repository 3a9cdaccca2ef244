"""`GET /metrics`: the stats, for Prometheus."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_psc_model import create_app
from flask_psc_model.errors import NOT_STARTED, STATUS_CODES
from flask_psc_model.version import __version__
from flask_psc_model.workers.stats import BOUNDS, Counter, Histogram
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from . import models
from .apps import check, copy_text, make_client
from .job_folders import JobFolders
from .processes import find_model_process, wait_until
from .project import make_project, serve, write
from .template import TEMPLATE

COUNTS = (
    "psc_model_run_seconds_count",
    "psc_model_wait_seconds_count",
    "psc_model_load_seconds_count",
    "psc_model_batch_jobs_count",
)


@pytest.fixture
def client():
    return make_client(copy_text)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server whose jobs may take one second."""
    folder = tmp_path_factory.mktemp("metrics") / "project"
    with serve(make_project(folder, models.ACTOR, {"run": "1s"})) as server:
        check(server.client.get("/status"), 200)
        yield server


def read(client):
    """Return the value of each sample, by its name and the values of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    samples = {}
    for family in text_string_to_metric_families(answer.data.decode("utf-8")):
        for sample in family.samples:
            labels = [value for value in sample[1].values() if value]
            samples[" ".join([sample[0]] + labels)] = sample[2]
    return samples


def changes(before, after):
    """Return what was counted in between; without sums, memory and single ranges."""
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
        and not name.endswith("_sum")
        and "_bucket " not in name
        and "_memory_" not in name
    }


# --- what is counted and timed ---------------------------------------------------


def test_nothing_was_counted_at_first_but_the_names_are_there(client):
    samples = read(client)
    for name in COUNTS:
        assert samples[name] == 0
    for code in ("200", "400 invalid_job", "422 invalid_input", "500 not_loaded"):
        assert samples["psc_model_jobs_total " + code] == 0
    for reason in ("model_error", "crash", "time_limit", "recycled", "shutdown"):
        assert samples["psc_model_jobs_total 500 " + reason] == 0
    for reason in ("busy", "shutdown"):
        name = "psc_model_jobs_total {} {}".format(STATUS_CODES[NOT_STARTED], reason)
        assert samples[name] == 0
    for name in ("waiting_jobs", "running_jobs", "ready_workers"):
        assert samples["psc_model_" + name] == 0
    assert samples["psc_model_dropped_log_lines_total"] >= 0
    for reason in ("time_limit", "killed", "crashed", "failed_load"):
        assert samples["psc_model_restarts_total " + reason] == 0


def test_a_job_is_counted_and_timed(client, job):
    client.get("/status")
    before = read(client)
    assert before["psc_model_load_seconds_count"] == 1
    check(client.post("/run", json=job.body), 200)
    after = read(client)
    assert changes(before, after) == {
        "psc_model_jobs_total 200": 1,
        "psc_model_run_seconds_count": 1,
        "psc_model_wait_seconds_count": 1,
    }
    assert after["psc_model_run_seconds_sum"] > 0
    assert after["psc_model_run_seconds_bucket +Inf"] == 1


def test_an_answer_is_counted_by_its_code(client, job):
    before = read(client)
    for _ in range(2):
        check(client.post("/run", json={"type": "text"}), 400)
    check(client.post("/run", data="cats", content_type="text/plain"), 415)
    # these are no jobs
    check(client.get("/run"), 405)
    check(client.get("/nothing"), 404)
    assert changes(before, read(client)) == {
        "psc_model_jobs_total 400 invalid_job": 2,
        "psc_model_jobs_total 415 not_json": 1,
    }


def test_a_model_that_refuses_its_input_is_timed_too(job):
    def run(input_path, output_path):
        raise ValueError("no")

    client = make_client(run)
    check(client.post("/run", json=job.body), 422)
    samples = read(client)
    assert samples["psc_model_jobs_total 422 invalid_input"] == 1
    assert samples["psc_model_run_seconds_count"] == 1


def test_an_error_of_the_model_or_of_the_server_is_counted_by_its_reason(
    job, monkeypatch
):
    def run(input_path, output_path):
        raise RuntimeError

    client = make_client(run)
    check(client.post("/run", json=job.body), 500)
    # whatever the server itself does not expect
    monkeypatch.setattr("flask_psc_model.server.routes.parse_job", None)
    check(client.post("/run", json=job.body), 500)
    samples = read(client)
    assert samples["psc_model_jobs_total 500 model_error"] == 1
    assert samples["psc_model_jobs_total 500 server_error"] == 1


def test_a_model_that_cannot_be_loaded_is_counted_by_its_reason(job):
    client = create_app("no.such.Model").test_client()
    check(client.post("/run", json=job.body), 500)
    samples = read(client)
    assert samples["psc_model_jobs_total 500 not_loaded"] == 1
    assert samples["psc_model_ready_workers"] == 0


def test_the_start_of_the_process_is_known(client):
    started = read(client)["process_start_time_seconds"]
    assert time.time() - 60 < started <= time.time()
    assert read(client)["process_start_time_seconds"] == started


def test_the_development_server_measures_its_own_process(client):
    assert read(client)["psc_model_resident_memory_bytes 0"] > 1024 * 1024


def test_a_job_that_waits_is_counted_until_its_turn_comes(tmp_path):
    running, gate = threading.Event(), threading.Event()

    def run(input_path, output_path):
        running.set()
        assert gate.wait(20)
        copy_text(input_path, output_path)

    client = make_client(run)
    first, second = (JobFolders(tmp_path / name) for name in ("first", "second"))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(client.post, "/run", json=first.body)]
        assert running.wait(20)
        assert read(client)["psc_model_running_jobs"] == 1
        answers.append(pool.submit(client.post, "/run", json=second.body))
        wait_until(lambda: read(client)["psc_model_waiting_jobs"] == 1)
        gate.set()
        for answer in answers:
            check(answer.result(), 200)
    samples = read(client)
    for name, value in (("waiting_jobs", 0), ("running_jobs", 0), ("ready_workers", 1)):
        assert samples["psc_model_" + name] == value


def test_two_apps_count_by_themselves(job):
    one, other = make_client(copy_text), make_client(copy_text)
    check(one.post("/run", json=job.body), 200)
    assert read(one)["psc_model_jobs_total 200"] == 1
    assert read(other)["psc_model_jobs_total 200"] == 0


# --- the route -------------------------------------------------------------------


def test_the_content_type_is_that_of_the_text_format(client):
    content_type = client.get("/metrics").headers["Content-Type"]
    assert content_type.startswith("text/plain; version=")


def test_a_client_that_takes_openmetrics_gets_it(client):
    accept = "application/openmetrics-text; version=1.0.0"
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    text = answer.data.decode("utf-8")
    names = {each.name for each in openmetrics.text_string_to_metric_families(text)}
    assert "psc_model_jobs" in names


def test_a_head_request_has_no_body(client):
    answer = client.head("/metrics")
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_tool_is_not_logged_each_time_it_asks(client, caplog):
    caplog.set_level("INFO")
    client.get("/metrics")
    assert "/metrics" not in caplog.text


def test_the_app_does_not_import_prometheus_client_by_itself():
    code = (
        "import sys, flask_psc_model.server.gunicorn.hooks, flask_psc_model.server.app;"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    environment = dict(os.environ, PYTHONPATH=TEMPLATE, PYTHONDONTWRITEBYTECODE="1")
    subprocess.check_call([sys.executable, "-c", code], env=environment)


# --- counters and histograms -----------------------------------------------------


def test_a_time_counts_in_the_first_range_that_holds_it():
    histogram = Histogram()
    for seconds in (0, BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1], BOUNDS[-1] + 1):
        histogram.add(seconds)
    counts, _ = histogram.read()
    assert (counts[:2], counts[-2:], sum(counts)) == ([2, 1], [1, 1], 5)


def test_the_bounds_rise():
    assert sorted(set(BOUNDS)) == list(BOUNDS)


def test_threads_lose_nothing():
    counter, histogram = Counter(), Histogram()

    def count(_):
        for _ in range(2000):
            counter.add("x")
            histogram.add(0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert counter.read() == {"x": 16000}
    counts, seconds = histogram.read()
    assert (sum(counts), seconds) == (16000, 8000)


# --- the real server -------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize(
    ("line", "why", "reason"),
    [
        ("sleep 60", "time_limit", "time_limit"),
        ("kill 9", "crash", "killed"),
        ("segfault", "crash", "crashed"),
    ],
)
def test_a_restart_is_counted_with_its_reason(server, job, line, why, reason):
    before = read(server.client)
    check(server.client.post("/run", json=job.give(line).body), 500)
    check(server.client.get("/status"), 200)
    assert changes(before, read(server.client)) == {
        "psc_model_jobs_total 500 " + why: 1,
        "psc_model_run_seconds_count": 1,
        "psc_model_wait_seconds_count": 1,
        "psc_model_load_seconds_count": 1,
        "psc_model_restarts_total " + reason: 1,
    }


@pytest.mark.server
def test_the_time_of_a_job_is_in_its_range(server, job):
    before = read(server.client)
    check(server.client.post("/run", json=job.give("sleep 0.2").body), 200)
    after = read(server.client)
    name = "psc_model_run_seconds_bucket {}".format
    assert after[name("0.1")] == before[name("0.1")]
    assert after[name("+Inf")] == before[name("+Inf")] + 1
    assert after["psc_model_run_seconds_sum"] > before["psc_model_run_seconds_sum"]


@pytest.mark.server
def test_the_time_that_a_job_waits_is_measured(server, job):
    name = "psc_model_wait_seconds_sum"
    before = read(server.client)[name]
    bodies = [job.give("sleep 0.1").body] * 3
    with ThreadPoolExecutor(3) as pool:
        for answer in pool.map(
            lambda body: server.client.post("/run", json=body), bodies
        ):
            check(answer, 200)
    # one of them waited for the other two
    assert read(server.client)[name] - before > 0.1


@pytest.mark.server
def test_the_memory_is_that_of_the_model_process(server):
    size = read(server.client)["psc_model_resident_memory_bytes 0"]
    with open("/proc/{}/smaps_rollup".format(find_model_process(server))) as file:
        [line] = [line for line in file if line.startswith("Rss:")]
    assert size == pytest.approx(int(line.split()[1]) * 1024, rel=0.2)


@pytest.mark.server
def test_a_failed_load_is_a_restart_once_it_is_tried_again(tmp_path):
    project = make_project(tmp_path / "project", models.BROKEN)
    write(project, "broken", "no weights")
    with serve(project) as server:
        check(server.client.get("/status"), 500, "no weights")
        samples = read(server.client)
        assert samples["psc_model_restarts_total failed_load"] == 0
        assert samples["psc_model_ready_workers"] == 0
        assert "psc_model_resident_memory_bytes 0" not in samples
        os.remove(os.path.join(project, "broken"))
        wait_until(lambda: server.client.get("/status").status_code == 200)
        samples = read(server.client)
    assert samples["psc_model_restarts_total failed_load"] == 1
    assert samples["psc_model_ready_workers"] == 1
    assert samples["psc_model_load_seconds_count"] == 1


@pytest.mark.server
def test_each_model_process_is_measured(tmp_path):
    project = make_project(tmp_path / "project", models.ECHO)
    with serve(project, PSC_MODEL_PROCESSES="2") as server:
        wait_until(lambda: read(server.client)["psc_model_load_seconds_count"] == 2)
        samples = read(server.client)
    assert samples["psc_model_ready_workers"] == 2
    for number in "01":
        assert samples["psc_model_resident_memory_bytes " + number] > 1024 * 1024


@pytest.mark.server
def test_running_and_waiting_jobs_and_refusals_are_counted(tmp_path):
    resources = {"memory": {"size": "1G"}, "cpu": {"count": 2}}
    project = make_project(
        tmp_path / "project",
        models.ACTOR,
        name="Leaf",
        version="1.2.3",
        resources=resources,
    )
    with open(os.path.join(project, "gunicorn.conf.py"), "a") as file:
        # two of them may hold jobs
        file.write("threads = 4\n")
    gate = tmp_path / "gate"
    bodies = [
        JobFolders(tmp_path / str(number)).give("wait-for {}".format(gate)).body
        for number in range(3)
    ]
    names = ("psc_model_running_jobs", "psc_model_waiting_jobs")
    code = STATUS_CODES[NOT_STARTED]

    def count():
        samples = read(server.client)
        return [samples[name] for name in names]

    with serve(project) as server, ThreadPoolExecutor(2) as clients:
        check(server.client.get("/status"), 200)
        running = clients.submit(server.client.post, "/run", json=bodies[0])
        wait_until(lambda: count() == [1, 0])
        waiting = clients.submit(server.client.post, "/run", json=bodies[1])
        wait_until(lambda: count() == [1, 1])
        check(server.client.post("/run", json=bodies[2]), code, "busy")
        gate.write_text("")
        check(running.result(), 200)
        check(waiting.result(), 200)
        assert count() == [0, 0]
        assert read(server.client)["psc_model_jobs_total {} busy".format(code)] == 1
        info = read_info(server.client)
    assert info.pop("python") == "{}.{}.{}".format(*sys.version_info)
    assert info == {
        "name": "Leaf",
        "version": "1.2.3",
        "runtime": __version__,
        "timeout_run": "20",
        "timeout_status": "20",
        "memory": str(1024**3),
        "cpus": "2",
        "gpus": "0",
    }


def read_info(client):
    """Return the labels of `psc_model_info`."""
    text = client.get("/metrics").data.decode("utf-8")
    [family] = [
        each
        for each in text_string_to_metric_families(text)
        if each.name == "psc_model_info"
    ]
    [sample] = family.samples
    assert sample[2] == 1
    return dict(sample[1])
