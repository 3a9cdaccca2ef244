"""What `python -m flask_psc_model.cli.measure` does with many clients, and batches."""

import json
import os
import re

import pytest
from flask_psc_model.client import Response
from flask_psc_model.tools.measurement import throughput
from flask_psc_model.tools.measurement.gpu_memory import watch_gpus
from flask_psc_model.tools.measurement.proposal import propose
from flask_psc_model.tools.measurement.record import Record, save_record
from flask_psc_model.tools.measurement.report import list_measured
from flask_psc_model.tools.measurement.subject import MeasurementFailed
from flask_psc_model.tools.measurement.throughput import Batches, Throughput

from .processes import wait_until
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
    line = re.search("^jobs per second, .*", ending.output, re.MULTILINE)
    assert line, ending
    assert re.findall(r"[\d.]+ with (\d+)", line.group()) == ["1", "8", "64"]
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


NO_BATCHES = "psc_model_batch_jobs_count 0.0"
PROCESS = 'psc_model_resident_memory_bytes{{process="{}"}} 1.0'
COUNTED = ("psc_model_batch_jobs_count 3.0", "psc_model_batch_jobs_sum 9.0")


def answer(code, message="no"):
    """Return a function that answers any client."""
    body = json.dumps({"message": message}).encode()
    return lambda client: Response(code, "application/json", body)


def measure(running, *cases, run_seconds=0.001):
    """Measure a server, quickly."""
    return throughput.measure_throughput(running, list(cases), run_seconds)


@pytest.fixture
def quick(monkeypatch):
    """Let each number of clients send jobs for a moment."""
    monkeypatch.setattr(throughput, "SECONDS", 0.05)


def test_a_server_without_our_metrics_is_not_put_under_load():
    running = FakeRunning(answer(200), "no metrics here")
    assert measure(running, "one") is None
    assert running.made == []


def test_a_plain_model_has_rates_and_no_batches(quick):
    measured = measure(FakeRunning(answer(200), NO_BATCHES), "one")
    assert list(measured.rates) == [1, 8, 64]
    assert measured.batches is None


@pytest.mark.parametrize(
    ("run_seconds", "processes", "clients"),
    [
        (0.9, 1, [1, 8, 64]),
        (1, 1, [1, 8]),
        (1, 2, [1, 8, 64]),
        (8, 1, [1]),
        (99, 1, [1]),
    ],
)
def test_a_slow_plain_model_has_no_rate_with_many_clients(
    quick, run_seconds, processes, clients
):
    metrics = [NO_BATCHES] + list(map(PROCESS.format, range(processes)))
    running = FakeRunning(answer(200), *metrics)
    measured = measure(running, "one", run_seconds=run_seconds)
    assert list(measured.rates) == clients
    # batches are computed together
    metrics[0] = "\n".join(COUNTED)
    running = FakeRunning(answer(200), *metrics)
    measured = measure(running, "one", run_seconds=run_seconds)
    assert list(measured.rates) == [1, 8, 64]


def test_clients_share_the_cases_and_each_runs_its_own_job(quick):
    running = FakeRunning(answer(200), *COUNTED)
    measured = measure(running, "one", "two")
    # inputs may be large
    assert running.made == ["one", "two"]
    assert running.similar == 1 + 8 + 64
    assert list(measured.rates) == [1, 8, 64]
    assert min(measured.rates.values()) > 0
    assert measured.batches.peak_memory == 500


def test_the_time_of_a_batch_counts_for_each_process(monkeypatch):
    monkeypatch.setattr(throughput, "_drive", lambda running, jobs: (10, 2.0))
    found = [
        measure(
            FakeRunning(answer(200), *COUNTED, *map(PROCESS.format, range(count))),
            "one",
        ).batches.seconds
        for count in (1, 3)
    ]
    # the metrics of this server do not change, which counts as one batch
    assert found == [2, 6]


def test_a_job_that_the_server_has_no_room_for_is_sent_again(monkeypatch):
    monkeypatch.setattr(throughput, "SECONDS", 0.3)
    monkeypatch.setattr(throughput, "CLIENTS", (1,))
    answers = iter([answer(503)] + [answer(200)] * 10**7)
    running = FakeRunning(lambda client: next(answers)(client), *COUNTED)
    assert measure(running, "one").rates[1] > 0


def test_a_case_that_fails_under_load_is_an_error_with_its_message():
    running = FakeRunning(answer(500, "out of memory"), *COUNTED)
    with pytest.raises(MeasurementFailed) as caught:
        measure(running, "one")
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
    measurement.throughput = Throughput({1: 5.0}, Batches(12.5, seconds, peak))
    assert tuple(propose(measurement).values()) == proposed


def test_full_batches_are_shown_and_recorded(tmp_path):
    measurement = make_measurement(8 * 1024**2, 1, 2.0)
    rates = {1: 5.04, 8: 29.6, 64: 70.0}
    measurement.throughput = Throughput(rates, Batches(31.25, 0.5, 9 * 1024**2))
    lines = list(list_measured(measurement))
    assert lines[-3:] == [
        "full batch                      2.5 s  (31.2 jobs)",
        "its peak memory                   9.0M",
        "jobs per second, by the number of clients: 5.0 with 1, 30 with 8, 70 with 64",
    ]
    save_record(str(tmp_path), measurement, "x", "1.0.0")
    record = Record.load(str(tmp_path))
    assert (record.run_seconds, record.peak_memory) == (2.5, 9 * 1024**2)


def test_rates_of_a_plain_model_are_shown_and_recorded(tmp_path):
    measurement = make_measurement(8 * 1024**2, 1, 2.0)
    measurement.throughput = Throughput({1: 0.5, 8: 0.52}, None)
    assert list(list_measured(measurement))[-1] == (
        "jobs per second, by the number of clients: 0.5 with 1, 0.5 with 8, too slow to"
        " measure with 64"
    )
    save_record(str(tmp_path), measurement, "x", "1.0.0")
    with open(str(tmp_path / "measurement.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert content["jobsPerSecondByClients"] == {"1": 0.5, "8": 0.5}
    assert "fullBatch" not in content
    assert Record.load(str(tmp_path)).peak_memory == 8 * 1024**2


# --- the memory of GPUs -----------------------------------------------------------

#: Stands in for the command: writes what a file beside it holds.
NVIDIA_SMI = """\
#!/bin/sh
[ "$*" = "--query-gpu=memory.used --format=csv,noheader,nounits" ] || exit 1
while read -r line; do echo "$line"; done < "${0%/*}/used"
"""


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Return a function that sets the MiB in use of each GPU."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "nvidia-smi"
    command.write_text(NVIDIA_SMI)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])

    def use(*mebibytes):
        (folder / "used").write_text("".join("{}\n".format(each) for each in mebibytes))

    use(100, 0)
    return use


def test_the_growth_of_all_gpus_counts(gpus):
    with watch_gpus(True) as memory:
        assert memory.read_peak() == 0
        gpus(600, 0)
        wait_until(lambda: memory._peak == 500 * 1024**2)
        gpus(150, 20)
        assert memory.read_peak() == 500 * 1024**2


def test_a_model_without_gpus_uses_none_of_them(gpus):
    with watch_gpus(False) as memory:
        gpus(600, 0)
        assert memory.read_peak() == 0


@pytest.mark.parametrize("used", ["[N/A]", "No devices were found"])
def test_a_driver_that_does_not_tell_is_no_memory(gpus, used):
    gpus(used)
    with watch_gpus(True) as memory:
        assert memory.read_peak() == 0


def test_a_machine_without_the_command_has_no_gpu_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with watch_gpus(True) as memory:
        assert memory.read_peak() == 0


def test_a_sample_that_fails_counts_as_none(gpus, tmp_path):
    with watch_gpus(True) as memory:
        gpus(300, 0)
        wait_until(lambda: memory._peak)
        os.remove(str(tmp_path / "bin" / "used"))
        assert memory.read_peak() == 200 * 1024**2


def test_gpu_memory_is_shown_and_recorded(tmp_path):
    measurement = make_measurement(8 * 1024**2, 1, 2.0)
    assert not [line for line in list_measured(measurement) if "GPU" in line]
    measurement.peak_gpu_memory = 1500 * 1024**2
    assert list(list_measured(measurement))[-1] == (
        "peak GPU memory                1500.0M  (growth in nvidia-smi, other programs"
        " included)"
    )
    save_record(str(tmp_path), measurement, "x", "1.0.0")
    with open(str(tmp_path / "measurement.json"), encoding="utf-8") as file:
        assert json.load(file)["peakGpuMemory"] == 1500 * 1024**2


#: Uses a GPU: the stand-in shows what the model writes.
ON_GPU = """
import os

from flask_psc_model import ModelBase


class Model(ModelBase):
    input_filenames = "input.txt"
    output_filenames = "results.json"

    def __init__(self):
        with open(os.environ["USED"], "w") as file:
            file.write("840\\n0\\n")

    def run(self, source, target):
        with open(target, "w") as file:
            file.write("done")
"""


@pytest.mark.server
def test_a_server_on_a_gpu_is_measured(tmp_path, gpus, monkeypatch):
    project = make(tmp_path, {"one": "a"})
    write(project, "model_lib/model.py", ON_GPU)
    used = str(tmp_path / "bin" / "used")
    ending = run_measure(project, "--starts", "1", "--runs", "1", USED=used)
    assert ending.code == 0, ending
    assert re.search(r"^peak GPU memory +740\.0M ", ending.output, re.MULTILINE), ending
