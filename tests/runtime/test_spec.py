"""`model.yaml`, decoded: typed values, or one clear error."""

import pickle
import re

import pytest
import yaml
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import FileSpec, Limits, Metric, ModelSpec
from hypothesis import given
from hypothesis import strategies as st

from .apps import copy_text, make_model

FULL = """\
name: Colour, “Nearest”
version: "1.2.3"
author: Somebody
description: {summary: One, details: Two, technical: Three, performance: Four}
metrics:
  - {label: Accuracy, type: accuracy, value: 0.875, description: Of all colours.}
  - {type: loss, value: 12}
inputs:
  z.txt: {maxSize: 1K}
  image.png:
    acceptedMediaTypes: [image/png, image/x]
    maxSize: 2 MiB
    description: A picture.
  a.txt: {acceptedMediaTypes: text/plain}
outputs:
  results.json: {maxSize: 16K, mediaType: application/json}
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

#: Texts of the wrong kind, and a field of the spec with what it is then.
WRONG_TEXTS = [
    *[
        ("{}: {}".format(field, value), field, "")
        for field in ("name", "version", "author")
        for value in ("", "[x]", "{x: y}", "yes", "2020-01-31")
    ],
    *[
        ("description: {}".format(value), field, "")
        for field in ("summary", "details", "technical", "performance")
        for value in ("", "text", "[x]", "{%s: }" % field, "{%s: [x]}" % field)
    ],
    *[
        ("{}: {{a: {{{}: {}}}}}".format(files, key, value), files, {"a": FileSpec("a")})
        for files, media_types in (
            ("inputs", "acceptedMediaTypes"),
            ("outputs", "mediaType"),
        )
        for key, value in (
            (media_types, ""),
            (media_types, "5"),
            (media_types, "{b/c: }"),
            (media_types, "[b/c, [d]]"),
            ("description", "[x]"),
        )
    ],
    *[
        ("metrics: {}".format(value), "metrics", ())
        for value in ("", "text", "{label: x}", "[x, 5, [y], {label: [z]}]")
    ],
]

#: Whatever YAML can say, with the keys of `model.yaml` here and there.
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
)
VALUES = (
    LEAVES
    | st.lists(LEAVES, max_size=2)
    | st.dictionaries(st.text() | st.integers(), LEAVES, max_size=2)
)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "description": VALUES | st.fixed_dictionaries({"summary": VALUES}),
        "metrics": VALUES
        | st.lists(
            st.fixed_dictionaries({"label": VALUES, "value": VALUES}), max_size=2
        ),
        "inputs": VALUES
        | st.dictionaries(
            st.text() | st.integers(),
            VALUES | st.fixed_dictionaries({"maxSize": VALUES, "description": VALUES}),
            max_size=2,
        ),
        "resources": VALUES
        | st.fixed_dictionaries(
            {
                key: VALUES | st.fixed_dictionaries({name: VALUES})
                for key, name in (("memory", "size"), ("cpu", "count"))
            }
        ),
        "timeout": st.just({"run": "20s"})
        | VALUES
        | st.fixed_dictionaries({"status": VALUES, "run": VALUES}),
    },
)


def decode(text, path="/repository/model.yaml", strict=True):
    """Return the spec of a text."""
    return ModelSpec.decode(Metadata(yaml.safe_load(text)), path, strict)


@pytest.mark.parametrize("strict", [True, False])
def test_every_value_has_its_type(strict):
    assert decode(FULL, strict=strict) == ModelSpec(
        path="/repository/model.yaml",
        name="Colour, “Nearest”",
        version="1.2.3",
        author="Somebody",
        summary="One",
        details="Two",
        technical="Three",
        performance="Four",
        inputs={
            "z.txt": FileSpec("z.txt", max_size=1024),
            "image.png": FileSpec(
                "image.png", ("image/png", "image/x"), 2 * 1024**2, "A picture."
            ),
            "a.txt": FileSpec("a.txt", ("text/plain",)),
        },
        outputs={
            "results.json": FileSpec("results.json", ("application/json",), 16 * 1024)
        },
        metrics=(
            Metric("Accuracy", "0.875", 0.875, "Of all colours."),
            Metric("loss", "12", None, ""),
        ),
        limits=Limits(
            status_timeout=90.0,
            run_timeout=20.0,
            memory=512 * 1024**2,
            cpus=0.5,
            gpus=2,
        ),
    )


def test_the_files_keep_the_order_of_model_yaml():
    assert list(decode(FULL).inputs) == ["z.txt", "image.png", "a.txt"]


def test_a_file_has_a_media_type_where_it_may_have_no_other():
    inputs = decode(FULL).inputs
    media_types = [file.media_type for file in inputs.values()]
    assert media_types == ["", "", "text/plain"]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{timeout: {}, inputs: {}, outputs: {}, description: {}, metrics: []}",
        "resources: {memory: {}, cpu: {}, gpu: {}}",
    ],
)
def test_what_is_not_declared_has_a_default(text, strict):
    assert decode(text, "", strict) == ModelSpec()


def test_the_defaults_are_a_minute_each_and_no_more():
    spec = ModelSpec()
    assert spec.limits == (60.0, 60.0, None, None, 0)
    assert (spec.path, spec.name, dict(spec.inputs), spec.metrics) == ("", "", {}, ())


def test_numbers_are_texts_too():
    spec = decode("{name: 7, version: 1.5, inputs: {5: {description: 6}}}")
    assert (spec.name, spec.version) == ("7", "1.5")
    assert spec.inputs == {"5": FileSpec("5", description="6")}


@pytest.mark.parametrize(("text", "key", "value"), BLANK_AND_WRONG)
def test_a_blank_or_wrong_value_is_one_line_with_file_key_and_value(text, key, value):
    with pytest.raises(ValueError, match="expected") as caught:
        decode(text)
    message = str(caught.value)
    start = "/repository/model.yaml: {} is {}: expected ".format(key, value)
    assert message.startswith(start)
    assert "\n" not in message


def test_more_cpus_than_a_number_can_say_are_refused():
    with pytest.raises(ValueError, match="resources.cpu.count is .*: expected a numb"):
        decode("resources: {cpu: {count: 0x1%s}}" % ("0" * 300))


@pytest.mark.parametrize(("text", "key", "value"), BLANK_AND_WRONG)
def test_a_blank_or_wrong_value_becomes_its_default_for_the_page(text, key, value):
    spec = decode(text, "", strict=False)
    assert spec.limits == Limits()
    # the file is there all the same
    names = key.split(".", 1)[1:] if key.startswith(("inputs.", "outputs.")) else []
    files = list(spec.inputs.values()) + list(spec.outputs.values())
    assert files == [FileSpec(name.replace(".maxSize", "")) for name in names]


def test_what_is_right_beside_a_wrong_value_stays_for_the_page():
    text = FULL.replace("20s", "soon").replace("1K", "big").replace("512M", "much")
    right, left = decode(FULL), decode(text, strict=False)
    assert left.limits == right.limits._replace(run_timeout=60.0, memory=None)
    z = FileSpec("z.txt")
    inputs = dict(right.inputs, **{"z.txt": z})
    assert left == right._replace(limits=left.limits, inputs=inputs)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("text", "field", "value"), WRONG_TEXTS)
def test_a_wrong_text_is_no_reason_to_refuse_the_file(text, field, value, strict):
    assert decode(text, "", strict) == ModelSpec()._replace(**{field: value})


@pytest.mark.parametrize(
    ("value", "share"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("0.5", 0.5),
        ("1.01", None),
        ("-0.1", None),
        (".nan", None),
        ("'0.5'", None),
    ],
)
def test_a_metric_is_a_share_where_it_is_a_number_from_0_to_1(value, share):
    [metric] = decode("metrics: [{label: x, value: %s}]" % value).metrics
    assert metric.share == share


@given(CONTENTS)
def test_no_content_is_a_reason_for_the_page_to_fail(content):
    spec = ModelSpec.decode(Metadata(content), strict=False)
    texts = [spec.name, spec.version, spec.author, spec.summary]
    texts += [file.description for file in spec.inputs.values()]
    texts += [metric.value for metric in spec.metrics]
    assert all(isinstance(text, str) for text in texts)
    assert spec.limits.run_timeout > 0
    assert all(isinstance(name, str) for name in spec.inputs)


@given(CONTENTS)
def test_any_content_is_decoded_alike_or_refused_by_the_key_of_a_limit(content):
    lenient = ModelSpec.decode(Metadata(content), "here", strict=False)
    try:
        strict = ModelSpec.decode(Metadata(content), "here")
    except ValueError as error:
        assert re.match("here: (timeout|resources|inputs)[ .]", str(error))
    else:
        assert strict == lenient


def test_a_spec_goes_to_another_process():
    for spec in (decode(FULL), ModelSpec()):
        assert pickle.loads(pickle.dumps(spec)) == spec


# --- where the file is -----------------------------------------------------------


def test_the_file_above_a_path_is_loaded(tmp_path):
    (tmp_path / "model.yaml").write_text(FULL, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    spec = ModelSpec.load(str(tmp_path / "tests"))
    assert spec.path == str(tmp_path / "model.yaml")
    assert spec.limits.run_timeout == 20.0


def test_an_error_names_the_file_that_was_found(tmp_path):
    (tmp_path / "model.yaml").write_text("timeout: {run: never}")
    (tmp_path / "tests").mkdir()
    with pytest.raises(ValueError, match="timeout.run is 'never'") as caught:
        ModelSpec.load(str(tmp_path / "tests"))
    assert str(caught.value).startswith(str(tmp_path / "model.yaml") + ": ")
    assert ModelSpec.load(str(tmp_path), strict=False).limits == Limits()


def test_a_path_without_a_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        ModelSpec.load(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_that_is_not_yaml_is_an_error_for_the_page_too(tmp_path, strict):
    (tmp_path / "model.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="not valid YAML"):
        ModelSpec.load(str(tmp_path), strict)


def test_the_spec_of_a_model_is_that_above_its_module(tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "model.yaml").write_text("{name: Mine, timeout: {run: never}}")
    monkeypatch.syspath_prepend(str(tmp_path))
    factory = "package.Model"
    assert ModelSpec.of_model(factory, strict=False).name == "Mine"
    with pytest.raises(ValueError, match="timeout.run"):
        ModelSpec.of_model(factory)


def test_the_spec_of_a_model_without_a_file_is_the_default():
    # the module of the class is one of these tests
    assert ModelSpec.of_model(make_model(copy_text)) == ModelSpec()
