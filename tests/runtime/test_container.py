"""Containers: how they are started, what they report, and that they are removed."""

import os
import socket

import pytest
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.tools.containers.container import (
    Container,
    ContainerExited,
    NoResponse,
    NotListening,
)
from flask_psc_model.tools.containers.engine import (
    Engine,
    EngineError,
    UnsharedFolder,
    mount,
)

from .fake_engines import FakeEngine
from .web_servers import answer_with


@pytest.fixture
def engine(tmp_path):
    """Return a fake engine."""
    return FakeEngine(tmp_path / "engine")


def make_limits(**keys):
    """Return the limits of a model.yaml with some keys."""
    keys.setdefault("timeout", {"status": "20s", "run": "20s"})
    return ModelSpec.decode(Metadata(keys)).limits


def describe(engine, image="model", **keys):
    """Return a container of an image, which has not been started."""
    return Container(Engine(engine.command), image, make_limits(**keys))


def port_of(url):
    """Return the port of a URL."""
    return int(url.rsplit(":", 1)[1])


def option(arguments, name):
    """Return the value of an option on a command line."""
    return arguments[arguments.index(name) + 1]


def test_a_container_gets_the_resources_of_the_model_and_no_command(engine):
    resources = {"memory": {"size": "512M"}, "cpu": {"count": 0.5}}
    limits = make_limits(resources=resources)
    with Container(Engine(engine.command), "model", limits, "/some/folder"):
        pass
    [arguments] = engine.calls("run")
    assert option(arguments, "--memory") == "536870912b"
    assert option(arguments, "--cpus") == "0.5"
    mounted = "type=bind,source=/some/folder,target=/data"
    assert option(arguments, "--mount") == mounted
    assert "--gpus" not in arguments
    assert arguments[-1] == "model"


def test_a_container_gets_a_port_that_its_image_does_not_name(engine):
    # the image of the fake engine names 9180
    with describe(engine):
        pass
    [arguments] = engine.calls("run")
    assert option(arguments, "--env") == "PSC_MODEL_PORT=9181"
    assert option(arguments, "--publish") == "127.0.0.1::9181"


def test_a_container_gets_gpus_where_the_model_needs_some(engine):
    with describe(engine, resources={"gpu": {"count": 2}}):
        pass
    assert option(engine.calls("run")[0], "--gpus") == "2"


def test_no_more_cpus_are_requested_than_the_machine_has(engine):
    with describe(engine, resources={"cpu": {"count": 1000000}}):
        pass
    assert option(engine.calls("run")[0], "--cpus") == str(os.cpu_count())


def test_a_container_is_removed_at_the_end_whatever_happens(engine):
    container = describe(engine)
    with pytest.raises(ZeroDivisionError), container:
        assert engine.containers() == [container.name]
        raise ZeroDivisionError
    assert engine.containers() == []
    assert engine.calls("rm") == [["rm", "--force", "--volumes", container.name]]


def test_removing_a_container_that_is_gone_is_no_error(engine):
    container = describe(engine)
    container.start()
    container.remove()
    container.remove()
    assert engine.containers() == []
    assert len(engine.calls("rm")) == 2


def test_a_container_that_stays_is_an_error(engine):
    container = describe(engine)
    container.start()
    os.remove(engine.path("containers", container.name))
    os.mkdir(engine.path("containers", container.name))
    with pytest.raises(EngineError, match="rm"):
        container.remove()


def test_a_container_that_cannot_be_started_says_why(engine):
    with pytest.raises(ContainerExited, match="no command specified"):
        describe(engine, "refused").start()


def test_a_server_that_listens_is_polled_for_its_status(engine):
    with answer_with({"GET /status": (500, "no weights")}) as (url, _):
        engine.say(port_of(url))
        with describe(engine) as container:
            answer = container.get_status()
            assert container.client.url == url
    assert (answer.status_code, answer.message) == (500, "no weights")


@pytest.mark.parametrize(("out_of_memory", "reason"), [(False, ""), (True, ", out of")])
def test_a_container_that_has_exited_says_with_which_code(
    engine, out_of_memory, reason
):
    engine.say(None, 137, out_of_memory)
    with describe(engine) as container:
        assert container.get_exit_code() == 137
        with pytest.raises(ContainerExited, match="code 137" + reason):
            container.get_status()


def test_a_server_that_does_not_listen_differs_from_one_that_does_not_answer(engine):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        engine.say(listener.getsockname()[1])
        with describe(engine, timeout={"status": "100ms"}) as container:
            with pytest.raises(NotListening, match="port 9181 within 0.1 s"):
                container.get_status()
            listener.listen(9)
            with pytest.raises(NoResponse, match="no answer within 0.1 s"):
                container.get_status()


def test_waiting_for_the_exit_ends_with_the_code_or_without(engine):
    with describe(engine) as container:
        assert container.wait(0) is None
        engine.say(None, 3)
        assert container.wait(0) == 3


def test_the_log_and_signals_go_through_the_engine(engine):
    engine.write("log", "a line\n")
    with describe(engine) as container:
        assert container.read_log() == "a line\n"
        container.send_signal("SIGTERM")
        assert engine.calls("kill") == [["kill", "--signal", "SIGTERM", container.name]]


def test_no_engine_is_one_line_that_says_what_to_do(tmp_path):
    engine = Engine(str(tmp_path / "docker"))
    with pytest.raises(EngineError) as caught:
        engine.check()
    assert "No such file" in str(caught.value)
    assert "install it, or name another engine with --engine" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Cannot connect to the Docker daemon at unix:///x.", "start the engine"),
        (
            "permission denied while trying to connect to the docker API socket",
            "let your user use the engine, or run it as root",
        ),
    ],
)
def test_an_engine_that_does_not_answer_is_shown_with_its_own_words(
    engine, words, hint
):
    engine.write("broken", words)
    with pytest.raises(EngineError) as caught:
        Engine(engine.command).check()
    assert str(caught.value).endswith("info: ERROR: {}; {}".format(words, hint))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            'could not select device driver "" with capabilities: [[gpu]].',
            "check_container and try_container run without any by --gpus 0",
        ),
        (
            "Minimum memory limit allowed is 6MB.",
            "correct resources.memory.size in model.yaml",
        ),
        (
            "bind source path does not exist: /tmp/psc-1/data",
            "set TMPDIR to a folder that the engine shares",
        ),
        ("something else", ""),
    ],
)
def test_what_the_engine_cannot_do_is_no_fault_of_the_image(engine, words, hint):
    engine.write("unable", words)
    with pytest.raises(EngineError) as caught:
        describe(engine).start()
    assert words in str(caught.value)
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    "words", ["No command specified.", "unable to find user nosuch: no matching"]
)
def test_what_the_image_lacks_is_its_fault(engine, words):
    engine.write("unable", words)
    with pytest.raises(ContainerExited, match=words):
        describe(engine).start()


def test_a_folder_may_have_any_path():
    source = mount('/a:b/c,d/"e"')[-1]
    assert source == 'type=bind,"source=/a:b/c,d/""e""",target=/data'


def test_a_folder_that_the_engine_does_not_see_is_named(engine, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    Engine(engine.command).check_folder(str(shared), "model")
    engine.write("blind", "")
    with pytest.raises(UnsharedFolder) as caught:
        Engine(engine.command).check_folder(str(shared), "model")
    message = "the folder {}: set TMPDIR to a folder that the engine shares"
    assert message.format(shared) in str(caught.value)
    assert engine.containers() == []
    assert list(shared.iterdir()) == []


def test_no_image_is_one_line_that_says_what_to_do(engine):
    with pytest.raises(EngineError, match=r"build -t missing \.") as caught:
        describe(engine, "missing")
    assert "\n" not in str(caught.value)


def test_a_folder_is_removed_by_root_in_a_container(engine):
    Engine(engine.command).remove_folder("/tmp/psc-1/data", "model")
    [arguments] = engine.calls("run")
    assert option(arguments, "--user") == "0"
    assert option(arguments, "--entrypoint") == "rm"
    mounted = "type=bind,source=/tmp/psc-1,target=/data"
    assert option(arguments, "--mount") == mounted
    assert arguments[-3:] == ["model", "-rf", "/data/data"]
