"""The limits of `model.yaml`: plain numbers, or one clear error."""

import pytest
import yaml
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import Limits

FULL = """\
inputs:
  input.txt: {maxSize: 1K}
  image.png: {maxSize: 2 MiB, description: A picture.}
  other.txt: {description: Of any size.}
outputs:
  results.json: {maxSize: 16K}
resources:
  memory: {size: 512M}
  cpu: {count: 0.5}
  gpu: {count: 2}
timeout: {status: 1m30s, run: 20s}
"""

BLANK_AND_WRONG = [
    # the value in YAML, the key that is wrong, its value as the message shows it
    ("timeout:", "timeout", "blank"),
    ("timeout: 20s", "timeout", "'20s'"),
    ("timeout: [20s]", "timeout", "('20s',)"),
    ("timeout: {status: }", "timeout.status", "blank"),
    ("timeout: {status: ''}", "timeout.status", "''"),
    ("timeout: {status: soon}", "timeout.status", "'soon'"),
    ("timeout: {run: }", "timeout.run", "blank"),
    ("timeout: {run: 0}", "timeout.run", "0"),
    ("timeout: {run: -5s}", "timeout.run", "'-5s'"),
    ("timeout: {run: true}", "timeout.run", "True"),
    ("timeout: {run: 20 apples}", "timeout.run", "'20 apples'"),
    ("timeout: {run: {seconds: 20}}", "timeout.run", "{'seconds': 20}"),
    ("timeout: {run: [20s]}", "timeout.run", "('20s',)"),
    ("timeout: {run: .inf}", "timeout.run", "inf"),
    ("resources:", "resources", "blank"),
    ("resources: none", "resources", "'none'"),
    ("resources: {memory: }", "resources.memory", "blank"),
    ("resources: {memory: 512M}", "resources.memory", "'512M'"),
    ("resources: {memory: {size: }}", "resources.memory.size", "blank"),
    ("resources: {memory: {size: big}}", "resources.memory.size", "'big'"),
    ("resources: {memory: {size: 0}}", "resources.memory.size", "0"),
    ("resources: {cpu: }", "resources.cpu", "blank"),
    ("resources: {cpu: {count: }}", "resources.cpu.count", "blank"),
    ("resources: {cpu: {count: 0}}", "resources.cpu.count", "0"),
    ("resources: {cpu: {count: -1}}", "resources.cpu.count", "-1"),
    ("resources: {cpu: {count: yes}}", "resources.cpu.count", "True"),
    ("resources: {cpu: {count: two}}", "resources.cpu.count", "'two'"),
    ("resources: {cpu: {count: .nan}}", "resources.cpu.count", "nan"),
    ("resources: {cpu: {count: .inf}}", "resources.cpu.count", "inf"),
    ("resources: {gpu: }", "resources.gpu", "blank"),
    ("resources: {gpu: {count: }}", "resources.gpu.count", "blank"),
    ("resources: {gpu: {count: -1}}", "resources.gpu.count", "-1"),
    ("resources: {gpu: {count: 0.5}}", "resources.gpu.count", "0.5"),
    ("resources: {gpu: {count: no}}", "resources.gpu.count", "False"),
    ("resources: {gpu: {count: one}}", "resources.gpu.count", "'one'"),
    ("inputs:", "inputs", "blank"),
    ("inputs: input.txt", "inputs", "'input.txt'"),
    ("inputs: [input.txt]", "inputs", "('input.txt',)"),
    ("inputs: {input.txt: }", "inputs.input.txt", "blank"),
    ("inputs: {input.txt: 1K}", "inputs.input.txt", "'1K'"),
    ("inputs: {input.txt: {maxSize: }}", "inputs.input.txt.maxSize", "blank"),
    ("inputs: {input.txt: {maxSize: x}}", "inputs.input.txt.maxSize", "'x'"),
    ("outputs:", "outputs", "blank"),
    ("outputs: {a.json: {maxSize: -1}}", "outputs.a.json.maxSize", "-1"),
]


def _read(text, path="/repository/model.yaml"):
    return Limits(Metadata(yaml.safe_load(text)), path)


def test_every_limit_is_a_plain_number():
    limits = _read(FULL)
    assert limits.status_timeout == 90.0
    assert limits.run_timeout == 20.0
    assert limits.memory == 512 * 1024**2
    assert limits.cpus == 0.5
    assert limits.gpus == 2
    assert limits.input_sizes == {"input.txt": 1024, "image.png": 2 * 1024**2}
    assert limits.output_sizes == {"results.json": 16 * 1024}


@pytest.mark.parametrize(
    "text", ["{}", "timeout: {}", "resources: {memory: {}, cpu: {}, gpu: {}}"]
)
def test_what_is_not_declared_has_a_default(text):
    limits = _read(text)
    assert (limits.status_timeout, limits.run_timeout) == (60.0, 60.0)
    assert (limits.memory, limits.cpus, limits.gpus) == (None, None, 0)
    assert (limits.input_sizes, limits.output_sizes) == ({}, {})


@pytest.mark.parametrize(("text", "key", "value"), BLANK_AND_WRONG)
def test_a_blank_or_wrong_value_is_one_line_with_file_key_and_value(text, key, value):
    with pytest.raises(ValueError, match="expected") as caught:
        _read(text)
    message = str(caught.value)
    start = "/repository/model.yaml: {} is {}: expected ".format(key, value)
    assert message.startswith(start)
    assert "\n" not in message


def test_limits_are_loaded_from_the_file_above_a_path(tmp_path):
    (tmp_path / "model.yaml").write_text(FULL)
    (tmp_path / "tests").mkdir()
    assert Limits.load(str(tmp_path / "tests")).run_timeout == 20.0


def test_an_error_names_the_file_that_was_found(tmp_path):
    (tmp_path / "model.yaml").write_text("timeout: {run: never}")
    (tmp_path / "tests").mkdir()
    with pytest.raises(ValueError, match="timeout.run is 'never'") as caught:
        Limits.load(str(tmp_path / "tests"))
    assert str(caught.value).startswith(str(tmp_path / "model.yaml") + ": ")


def test_limits_without_a_file_are_an_os_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        Limits.load(str(tmp_path / "nowhere"))
