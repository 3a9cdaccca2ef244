"""What `python -m flask_psc_model.cli.measure` does with a batch model."""

import json
import os
import re

import pytest
from flask_psc_model.client import Response
from flask_psc_model.tools.measurement import batches
from flask_psc_model.tools.measurement.batches import Batches
from flask_psc_model.tools.measurement.proposal import propose
from flask_psc_model.tools.measurement.record import Record, save_record
from flask_psc_model.tools.measurement.report import list_measured
from flask_psc_model.tools.measurement.subject import MeasurementFailed

from .project import write
from .test_measure import make, make_measurement, run_measure

#: Computes batches, of which each takes a tenth of a second and 3 MB for each job.
BATCHES = """
import shutil
import time

from flask_psc_model import BatchModelBase


class Model(BatchModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"
    max_batch_size = 16

    def preprocess(self, input_path):
        return input_path

    def predict(self, batch):
        memory = [b"1" * 3000000 for _ in batch]
        time.sleep(0.1)
        return batch[: len(memory)]

    def postprocess(self, result, output_path):
        shutil.copyfile(result, output_path)
"""


@pytest.mark.server
def test_a_batch_model_is_measured_with_full_batches(tmp_path):
    project = make(tmp_path, {"one": "a", "two": "b"})
    write(project, "model_lib/model.py", BATCHES)
    ending = run_measure(project, "--write", "--starts", "1", "--runs", "2")
    assert ending.code == 0, ending
    line = r"^jobs per second, by the number of clients: (\d+) with 1, (\d+) with 8"
    assert re.search(line + r", (\d+) with 64$", ending.output, re.MULTILINE), ending
    with open(os.path.join(project, "measurement.json"), encoding="utf-8") as file:
        content = json.load(file)
    rates = content["jobsPerSecondByClients"]
    assert 0 < rates["1"] < rates["64"]
    full = content["fullBatch"]
    # clients that are slow to send fill no batch
    assert 1 < full["jobs"] <= 16
    assert full["seconds"] >= 0.1
    assert full["peakMemory"] > content["peakMemory"] + 3000000
    worst = max(times["worst"] for times in content["runs"].values())
    record = Record.load(project)
    assert record.run_seconds == max(full["seconds"], worst)
    assert record.peak_memory == full["peakMemory"]


class FakeRunning:
    """A running server whose jobs are functions that return a status."""

    class Client:
        url = "http://localhost:1"
        timeout = 1
        metrics = ""

        def get(self, _):
            return Response(200, "text/plain", self.metrics.encode())

    class Memory:
        def read_peak(self):
            return 500

    def __init__(self, run, *metrics):
        self.client = self.Client()
        self.client.metrics = "\n".join(metrics)
        self.memory = self.Memory()
        self.folder = self
        self.made = []
        self.similar = 0
        self.run = run

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Remove nothing."""

    def make_job(self, inputs):
        self.made.append(inputs)
        return self

    def make_similar(self, _):
        self.similar += 1
        return self


COUNTED = ("psc_model_batch_jobs_count 3.0", "psc_model_batch_jobs_sum 9.0")


def answer(code, message="no"):
    """Return a function that answers any client."""
    body = json.dumps({"message": message}).encode()
    return lambda client: Response(code, "application/json", body)


def test_a_server_without_batches_is_not_put_under_load(monkeypatch):
    for metrics in (["psc_model_batch_jobs_count 0.0"], ["no metrics here"]):
        running = FakeRunning(answer(200), *metrics)
        assert batches.measure_batches(running, ["one"]) is None
        assert running.made == []


def test_clients_share_the_cases_and_each_runs_its_own_job(monkeypatch):
    monkeypatch.setattr(batches, "SECONDS", 0.05)
    running = FakeRunning(answer(200), *COUNTED)
    measured = batches.measure_batches(running, ["one", "two"])
    # inputs may be large
    assert running.made == ["one", "two"]
    assert running.similar == 1 + 8 + 64
    assert list(measured.rates) == [1, 8, 64]
    assert min(measured.rates.values()) > 0
    assert measured.peak_memory == 500


def test_the_time_of_a_batch_counts_for_each_process(monkeypatch):
    monkeypatch.setattr(batches, "_drive", lambda running, jobs: (10, 2.0))
    process = 'psc_model_resident_memory_bytes{{process="{}"}} 1.0'
    found = [
        batches.measure_batches(
            FakeRunning(answer(200), *COUNTED, *map(process.format, range(count))),
            ["one"],
        ).seconds
        for count in (1, 3)
    ]
    # the metrics of this server do not change, which counts as one batch
    assert found == [2, 6]


def test_a_job_that_the_server_has_no_room_for_is_sent_again(monkeypatch):
    monkeypatch.setattr(batches, "SECONDS", 0.3)
    monkeypatch.setattr(batches, "CLIENTS", (1,))
    answers = iter([answer(503)] + [answer(200)] * 10**7)
    running = FakeRunning(lambda client: next(answers)(client), *COUNTED)
    assert batches.measure_batches(running, ["one"]).rates[1] > 0


def test_a_case_that_fails_in_a_batch_is_an_error_with_its_message(monkeypatch):
    running = FakeRunning(answer(500, "out of memory"), *COUNTED)
    with pytest.raises(MeasurementFailed) as caught:
        batches.measure_batches(running, ["one"])
    assert str(caught.value) == "under load a case was answered 500: out of memory"


@pytest.mark.parametrize(
    ("peak", "seconds", "proposed"),
    [
        (10, 30, ("1152M", "125s", "185s")),
        (1600 * 1024**2, 0.1, ("2G", "125s", "95s")),
    ],
)
def test_the_larger_of_a_job_and_a_full_batch_is_proposed(peak, seconds, proposed):
    measurement = make_measurement(900 * 1024**2, 41, 30.1)
    measurement.batches = Batches({1: 5.0}, 12.5, seconds, peak)
    assert tuple(propose(measurement).values()) == proposed


def test_full_batches_are_shown_and_recorded(tmp_path):
    measurement = make_measurement(8 * 1024**2, 1, 2.0)
    measurement.batches = Batches({1: 5.04, 64: 70.0}, 31.25, 0.5, 9 * 1024**2)
    lines = list(list_measured(measurement))
    assert lines[-3:] == [
        "full batch                      2.5 s  (31.2 jobs)",
        "its peak memory                   9.0M",
        "jobs per second, by the number of clients: 5 with 1, 70 with 64",
    ]
    save_record(str(tmp_path), measurement, "x", "1.0.0")
    record = Record.load(str(tmp_path))
    assert (record.run_seconds, record.peak_memory) == (2.5, 9 * 1024**2)
