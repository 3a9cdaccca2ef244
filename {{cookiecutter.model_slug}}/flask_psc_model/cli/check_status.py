"""Print the status of a model's server: the image's health check.

Docker runs it every 30 seconds, so it imports little: neither click nor YAML.
"""

import argparse
import json
import os
import socket
import sys
from http.client import HTTPConnection, HTTPException
from typing import List, Optional, Tuple

from ..errors import exit_with_error
from ..settings import join_address, parse_url, read_host, read_port
from ._output import checked_output

#: Seconds to wait: the default of `timeout.status`, and a little for the response.
TIMEOUT = 65.0
MAX_TIMEOUT = 24 * 3600

DESCRIPTION = """\
Print the status of a model's server.

The exit status is 0 if the model is ready, else 1. The image's health check runs
this command.
"""

EXAMPLE = """\
Example:
  python -m flask_psc_model.cli.check_status --url http://localhost:8080
"""


def main(args: Optional[List[str]] = None) -> None:
    """Print the status, and exit with 0 if the model is ready, else with 1.

    Args:
        args: the command line; by default that of the process.
    """
    with checked_output():
        options = _make_parser().parse_args(args)
        try:
            url = parse_url(options.url) if options.url.strip() else local_url()
            status_code, message = get_status(url, options.timeout)
        except (OSError, ValueError) as error:
            exit_with_error(error)
        print(f"{status_code}: {message}")
        sys.exit(status_code != 200)


def local_url() -> str:
    """Return the URL of this machine's server, by `PSC_MODEL_HOST` and its port.

    Raises:
        ValueError: a variable is wrong.
    """
    host = read_host("0.0.0.0")
    # a server that listens on all addresses listens on that of this machine alone
    if not host.strip("0:."):
        host = "::1" if ":" in host else "127.0.0.1"
    return "http://" + join_address(host, read_port())


def get_status(url: str, timeout: float) -> Tuple[int, str]:
    """Return the HTTP status and the message of a server's `/status`.

    Args:
        url: of the server.
        timeout: seconds to wait for it.

    Raises:
        OSError: it does not answer.
        ValueError: its answer is not the response object.
    """
    scheme, _, rest = url.partition("://")
    address, slash, path = rest.partition("/")
    connection = _connect(scheme, address, timeout)
    try:
        connection.request("GET", slash + path + "/status")
        response = connection.getresponse()
        body = response.read()
    except socket.timeout:
        raise OSError(
            f"no answer from {url}/status in {timeout:g} s: read the server's log, or"
            " raise --timeout"
        ) from None
    except (OSError, HTTPException) as error:
        raise OSError(
            f"no answer from {url}/status: {error or type(error).__name__}: start the"
            " server with ./entrypoint.sh, or pass its address as --url"
        ) from error
    finally:
        connection.close()
    return response.status, _read_message(body, url)


def _connect(scheme: str, address: str, timeout: float) -> HTTPConnection:
    if scheme == "https":
        # imported here: a Python without ssl has no such name
        from http.client import HTTPSConnection

        return HTTPSConnection(address, timeout=timeout)
    return HTTPConnection(address, timeout=timeout)


def _read_message(body: bytes, url: str) -> str:
    try:
        return str(json.loads(body.decode("utf-8"))["message"])
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"the answer of {url}/status is not the response object of the"
            f" specification: {body[:200]!r}"
        ) from None


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flask_psc_model.cli.check_status",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        # without a width it imports `shutil`, to look for that of the terminal
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, width=80
        ),
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("PSC_MODEL_URL", ""),
        help="URL of the server (PSC_MODEL_URL); by default this machine, at"
        " PSC_MODEL_HOST and PSC_MODEL_PORT",
    )
    parser.add_argument(
        "--timeout",
        type=_parse_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help="seconds to wait for an answer, a little more than timeout.status of"
        " model.yaml (default: %(default)g)",
    )
    return parser


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= MAX_TIMEOUT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from 0 to {MAX_TIMEOUT}"
        )
    return seconds


if __name__ == "__main__":
    main()
