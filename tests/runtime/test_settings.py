"""The settings: what is a value, what is none, and that they are read in one place."""

import os
import re

import pytest
from flask_psc_model import create_app, settings
from flask_psc_model.logs import make_logging_config

from .apps import copy_text, make_model
from .template import TEMPLATE

GOOD = [
    ("PSC_MODEL_PORT", None, 8080),
    ("PSC_MODEL_PORT", "", 8080),
    ("PSC_MODEL_PORT", " ", 8080),
    ("PSC_MODEL_PORT", "0", 0),
    ("PSC_MODEL_PORT", " 9000\n", 9000),
    ("PSC_MODEL_PORT", "65535", 65535),
    ("PSC_MODEL_HOST", "", "fallback"),
    ("PSC_MODEL_HOST", "::", "::"),
    ("PSC_MODEL_HOST", "[::1]", "::1"),
    ("PSC_MODEL_HOST", "fe80::1%eth0", "fe80::1%eth0"),
    ("PSC_MODEL_HOST", "gpu-box.lab_1.example", "gpu-box.lab_1.example"),
    ("PSC_MODEL_PROCESSES", "", 1),
    ("PSC_MODEL_PROCESSES", "08", 8),
    ("PSC_MODEL_MAX_JOBS", "", 0),
    ("PSC_MODEL_MAX_JOBS", "1000", 1000),
    ("PSC_MODEL_PAGE", " ", True),
    ("PSC_MODEL_PAGE", "OFF", False),
    ("PSC_MODEL_DEBUG", "", False),
    ("PSC_MODEL_DEBUG", "Yes", True),
    ("PSC_MODEL_ALLOWED_HOSTS", "", ()),
    ("PSC_MODEL_ALLOWED_HOSTS", " A , .b.example", ("a", ".b.example")),
    ("PSC_MODEL_FACTORY", "package.module:Class.make", "package.module:Class.make"),
    ("PSC_SHUTDOWN_FUNCTION", "", ""),
]

WRONG = [
    ("PSC_MODEL_PORT", "abc"),
    ("PSC_MODEL_PORT", "65536"),
    ("PSC_MODEL_PORT", "-1"),
    ("PSC_MODEL_PORT", "8_080"),
    ("PSC_MODEL_PORT", "8080.0"),
    ("PSC_MODEL_PORT", "٨٠٨٠"),
    ("PSC_MODEL_PORT", "80 80"),
    ("PSC_MODEL_PORT", "9" * 5000),
    ("PSC_MODEL_HOST", "0.0.0.0:80"),
    ("PSC_MODEL_HOST", "[::1]:80"),
    ("PSC_MODEL_HOST", "http://localhost"),
    ("PSC_MODEL_HOST", "unix:/tmp/socket"),
    ("PSC_MODEL_HOST", "local host"),
    ("PSC_MODEL_HOST", ":::1"),
    ("PSC_MODEL_PROCESSES", "²"),
    ("PSC_MODEL_PROCESSES", "0"),
    ("PSC_MODEL_PROCESSES", "1025"),
    ("PSC_MODEL_MAX_JOBS", "0"),
    ("PSC_MODEL_MAX_JOBS", "1e3"),
    ("PSC_MODEL_PAGE", "maybe"),
    ("PSC_MODEL_DEBUG", "2"),
    ("PSC_MODEL_ALLOWED_HOSTS", "*"),
    ("PSC_MODEL_ALLOWED_HOSTS", "a,,b"),
    ("PSC_MODEL_ALLOWED_HOSTS", "a:80"),
    ("PSC_MODEL_ALLOWED_HOSTS", "https://a"),
    ("PSC_MODEL_FACTORY", "Model"),
    ("PSC_MODEL_FACTORY", "model_lib/model.py"),
    ("PSC_SHUTDOWN_FUNCTION", "os."),
]

READ = {
    "PSC_MODEL_PORT": settings.read_port,
    "PSC_MODEL_HOST": lambda: settings.read_host("fallback"),
    "PSC_MODEL_PROCESSES": settings.read_processes,
    "PSC_MODEL_MAX_JOBS": settings.read_max_jobs,
    "PSC_MODEL_PAGE": lambda: settings.read_page(True),
    "PSC_MODEL_DEBUG": settings.read_debug,
    "PSC_MODEL_ALLOWED_HOSTS": settings.read_allowed_hosts,
    "PSC_MODEL_FACTORY": settings.read_model_factory,
    "PSC_SHUTDOWN_FUNCTION": settings.read_shutdown_function,
}


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_a_value_is_read_without_the_space_around_it(
    monkeypatch, variable, text, value
):
    if text is not None:
        monkeypatch.setenv(variable, text)
    settings.check_server_settings()
    assert READ[variable]() == value


@pytest.mark.parametrize(("variable", "text"), WRONG)
def test_a_wrong_value_is_an_error_that_names_it_and_what_to_set(
    monkeypatch, variable, text
):
    monkeypatch.setenv(variable, text)
    for read in (READ[variable], settings.check_server_settings):
        with pytest.raises(ValueError, match="set it to") as caught:
            read()
        assert str(caught.value).startswith("{} is {!r}: ".format(variable, text))
        assert "\n" not in str(caught.value)


def test_the_port_of_a_service_in_kubernetes_is_explained(monkeypatch):
    monkeypatch.setenv("PSC_MODEL_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(
        ValueError, match="service of the name psc-model.*Links to false"
    ):
        settings.read_port()


@pytest.mark.parametrize("text", ["xml", "j son"])
def test_another_format_of_the_log_is_an_error(monkeypatch, text):
    monkeypatch.setenv("PSC_LOG_FORMAT", text)
    with pytest.raises(
        ValueError, match="^PSC_LOG_FORMAT is .*: set it to text or json"
    ):
        make_logging_config()


@pytest.mark.parametrize(
    "variable",
    ["PSC_MODEL_PAGE", "PSC_MODEL_ALLOWED_HOSTS", "PSC_SHUTDOWN_FUNCTION"],
)
def test_an_app_with_a_wrong_variable_ends_with_one_line(monkeypatch, capsys, variable):
    monkeypatch.setenv(variable, "?")
    with pytest.raises(SystemExit) as caught:
        create_app(make_model(copy_text))
    assert caught.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: {} is '?': ".format(variable))


def test_an_app_needs_no_port(monkeypatch):
    monkeypatch.setenv("PSC_MODEL_PORT", "tcp://10.0.0.1:8080")
    assert create_app(make_model(copy_text)).test_client().get("/x").status_code == 404


def test_the_variables_of_the_servers_are_read_in_one_module():
    runtime = os.path.join(TEMPLATE, "flask_psc_model")
    found = set()
    for folder, _, names in os.walk(runtime):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".py"):
                with open(path, encoding="utf-8") as file:
                    if re.search(r"environ(\.get\(|\[)\s*\"PSC_", file.read()):
                        found.add(os.path.relpath(path, runtime))
    # an option of its command line
    assert found - {"testing/live_server.py"} == {"cli/check_status.py"}
