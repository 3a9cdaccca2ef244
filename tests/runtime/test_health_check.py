"""The image's health check: its command, and its times in the Dockerfile."""

import os
import socket

import pytest
from flask_psc_model.cli.check_status import local_url
from flask_psc_model.tools.health_check import find_wrong_times, write_times

from .commands import run_python
from .project import write
from .template import TEMPLATE
from .web_servers import answer_with

COMMAND = ["-m", "flask_psc_model.cli.check_status"]


def check_status(*args, **environment):
    """Run the command in the folder of the runtime."""
    return run_python(*COMMAND, *args, folder=TEMPLATE, **environment)


# --- the command -----------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 500])
def test_the_exit_status_says_whether_the_model_is_ready(code):
    with answer_with({"GET /status": (code, "so it is")}) as (url, requests):
        for args in (["--url", url + "/run"], ["--url", url[len("http://") :]]):
            ending = check_status(*args)
            assert ending.code == (code != 200), ending
            assert ending.output == "{}: so it is\n".format(code)
        host, port = url[len("http://") :].split(":")
        ending = check_status(PSC_MODEL_HOST=host, PSC_MODEL_PORT=port)
        assert ending.code == (code != 200), ending
        assert check_status(PSC_MODEL_URL=url).code == (code != 200)
    assert [each.path for each in requests] == ["/status"] * 4


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("[::]", "[::1]"),
        ("0:0::0", "[::1]"),
        ("::1", "[::1]"),
        ("192.168.1.7", "192.168.1.7"),
        ("box.example", "box.example"),
    ],
)
def test_it_queries_the_address_that_the_server_listens_on(monkeypatch, host, address):
    monkeypatch.setenv("PSC_MODEL_HOST", host)
    monkeypatch.setenv("PSC_MODEL_PORT", "9000")
    assert local_url() == "http://{}:9000".format(address)


def test_a_dead_server_is_one_line_with_its_url_and_the_next_step():
    with socket.socket() as listener:
        # it has the port, and does not listen
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        ending = check_status(PSC_MODEL_PORT=str(port))
    assert ending.code == 1, ending
    [line] = ending.errors.splitlines()
    assert "http://127.0.0.1:{}/status".format(port) in line
    assert "refused" in line
    assert "start the server with ./entrypoint.sh" in line


def test_a_silent_server_is_one_line_after_the_time_out():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        ending = check_status("--timeout", "0.2", PSC_MODEL_PORT=str(port))
    assert ending.code == 1, ending
    [line] = ending.errors.splitlines()
    assert "in 0.2 s" in line
    assert "raise --timeout" in line


@pytest.mark.parametrize("data", [b"hello", b"[]", b"{}", b"\xff"])
def test_what_is_not_the_response_object_is_one_line(data):
    with answer_with({"GET /status": (200, data)}) as (url, _):
        ending = check_status("--url", url)
    assert ending.code == 1, ending
    [line] = ending.errors.splitlines()
    assert "not the response object" in line


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9", "soon", "²"])
def test_a_wrong_time_out_is_a_usage_error(value):
    ending = check_status("--timeout=" + value)
    assert ending.code == 2, ending
    assert "argument --timeout: {!r} is not a number".format(value) in ending.errors


def test_a_password_in_a_url_is_not_shown():
    ending = check_status(PSC_MODEL_URL="http://me:secret@127.0.0.1:1")
    assert ending.code == 1, ending
    assert ending.errors.startswith("error: the URL holds a user name or a password")
    assert "secret" not in ending.output + ending.errors


def test_a_full_disk_is_one_line():
    answers = {"GET /status": (200, "ready")}
    with answer_with(answers) as (url, _), open("/dev/full", "w") as full:
        ending = check_status("--url", url, stdout=full)
    message = "error: cannot write standard output: No space left on device\n"
    assert (ending.code, ending.errors) == (1, message)


def test_it_imports_little():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['check_status', '--timeout', '1']\n"
        "name = 'flask_psc_model.cli.check_status'\n"
        "try:\n"
        "    runpy.run_module(name, run_name='__main__')\n"
        "except SystemExit:\n"
        "    print(*sys.modules)\n"
    )
    ending = run_python("-c", code, folder=TEMPLATE, PSC_MODEL_PORT="1")
    imported = ending.output.split()
    assert "http.client" in imported
    heavy = {
        "click",
        "yaml",
        "flask",
        "urllib.request",
        "logging",
        "flask_psc_model.model",
    }
    assert not heavy & set(imported)


def test_it_is_one_of_the_commands():
    ending = run_python(
        "-m", "flask_psc_model", "check_status", "--help", folder=TEMPLATE
    )
    assert ending.code == 0, ending
    assert "--timeout" in ending.output


# --- the times in the Dockerfile -------------------------------------------------

OURS = (
    'HEALTHCHECK{} \\\n    CMD ["python", "-m", "flask_psc_model.cli.check_status"{}]\n'
)

WINDOWS = OURS.replace("\\\n", "\\\n  # so long\n").replace("\n", "\r\n")

DOCKERFILES = {
    "all times": (
        OURS.format(" --timeout=70s --start-period=1m10s", ', "--timeout", "65"'),
        OURS.format(" --timeout=91s --start-period=91s", ', "--timeout", "86"'),
    ),
    "no times": (
        OURS.format("", ""),
        OURS.format(" --start-period=91s --timeout=91s", ', "--timeout", "86"'),
    ),
    "a line of the shell": (
        "HEALTHCHECK --timeout=soon CMD python -m x.check_status --timeout=3 # a\n",
        "HEALTHCHECK --start-period=91s --timeout=91s CMD python -m x.check_status"
        " --timeout=86 # a\n",
    ),
    "another command": (
        "healthcheck --timeout=3s CMD curl --timeout 3 x\r\n",
        "healthcheck --start-period=91s --timeout=91s CMD curl --timeout 3 x\r\n",
    ),
    "comments": (
        "HEALTHCHECK \\\n# not --timeout=1s\n  --timeout=3s \\ \n\n\t# CMD as below\n"
        "    CMD python \\\n  # --timeout 2\n  -m x.check_status --timeout 3\n",
        "HEALTHCHECK --start-period=91s \\\n# not --timeout=1s\n  --timeout=91s \\ \n\n"
        "\t# CMD as below\n"
        "    CMD python \\\n  # --timeout 2\n  -m x.check_status --timeout 86\n",
    ),
    "carriage returns": (
        WINDOWS.format(" --timeout=3s --start-period=91s", ""),
        WINDOWS.format(" --timeout=91s --start-period=91s", ', "--timeout", "86"'),
    ),
}

AROUND = '# HEALTHCHECK --timeout=1s CMD x\nFROM x\n{}\nCMD ["x", "--timeout", "3"]\n'


def read(folder):
    """Return the text of a Dockerfile with its line ends."""
    path = os.path.join(str(folder), "Dockerfile")
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_times_follow_the_time_out_of_the_status(folder, name):
    before, after = DOCKERFILES[name]
    with open(os.path.join(folder, "Dockerfile"), "w", newline="") as file:
        file.write(AROUND.format(before))
    assert list(find_wrong_times(folder, 80.5))
    assert write_times(folder, 80.5) == os.path.join(folder, "Dockerfile")
    assert read(folder) == AROUND.format(after)
    assert list(find_wrong_times(folder, 80.5)) == []
    assert write_times(folder, 80.5) is None


@pytest.mark.parametrize("text", [None, "FROM x\n", "HEALTHCHECK NONE\nCMD x\n"])
def test_an_image_without_a_health_check_stays_as_it_is(folder, text):
    if text is not None:
        write(folder, "Dockerfile", text)
    assert list(find_wrong_times(folder, 80.5)) == []
    assert write_times(folder, 80.5) is None


def test_a_short_time_is_named_with_what_it_should_be(folder):
    write(folder, "Dockerfile", OURS.format(" --timeout=20s --start-period=soon", ""))
    assert list(find_wrong_times(folder, 65)) == [
        "--timeout of HEALTHCHECK is 20 s, and timeout.status of model.yaml 65 s: set"
        " it to 75s",
        "--start-period of HEALTHCHECK is 'soon': expected a time such as 20s or 1m30s",
        "CMD --timeout of HEALTHCHECK is 65 s, and timeout.status of model.yaml 65 s:"
        " set it to 70",
    ]
