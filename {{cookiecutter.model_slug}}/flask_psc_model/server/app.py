"""The Flask app and its development server."""

import argparse
import logging
import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Union

import click
import flask.cli
from click.core import ParameterSource
from flask import Flask
from werkzeug import serving

from ..errors import exit_with_error
from ..logs import WRITER, capture_json, configure_logging
from ..model.loading import ModelFactory
from ..model.spec import ModelSpec
from ..settings import (
    check_server_settings,
    parse_host,
    parse_port,
    read_allowed_hosts,
    read_debug,
    read_host,
    read_model_factory,
    read_page,
    read_port,
    read_shutdown_function,
)
from ..workers.runner import LocalRunner
from .browsers import ALLOWED_HOSTS
from .routes import api
from .shutdown import prepare_development_stop, stop_server

#: The address that development servers listen on by default.
DEVELOPMENT_HOST = "127.0.0.1"

log = logging.getLogger(__name__)


class ModelApp(Flask):
    """A Flask app that serves one model."""

    def main(self, args: Optional[List[str]] = None) -> None:
        """Run the development server, with the model in this process.

        Args:
            args: command-line arguments; default: those of the process.
        """
        with _exit_if_a_setting_is_wrong():
            check_server_settings()
        options = _parse_options(args)
        _prepare_development_server(self)
        self.run(host=options.host, port=options.port, debug=options.debug)


def create_app(
    model_factory: Optional[ModelFactory] = None,
    shutdown_function: Union[str, Callable[[], object], None] = None,
) -> ModelApp:
    """Create the app that serves a model.

    Args:
        model_factory: the model's class, another callable that returns the model, or
            the dotted path of either. Default: the environment variable
            `PSC_MODEL_FACTORY`.
        shutdown_function: stops a server other than Gunicorn and Flask's own; a
            callable or its dotted path. Default: the environment variable
            `PSC_SHUTDOWN_FUNCTION`.

    A variable with a wrong value ends the process with a message.

    Raises:
        ValueError: no model factory is set.
    """
    with _exit_if_a_setting_is_wrong():
        model_factory = model_factory or read_model_factory()
        shutdown_function = shutdown_function or read_shutdown_function()
        allowed_hosts = read_allowed_hosts()
        has_page = read_page(False)
    if not model_factory:
        raise ValueError(
            "there is no model to serve: pass a class or its dotted path to create_app,"
            " or set PSC_MODEL_FACTORY, for example to model_lib.model.MyModel"
        )
    app = ModelApp("flask_psc_model")
    app.config["PSC_MODEL_FACTORY"] = model_factory
    app.config["PSC_SHUTDOWN_FUNCTION"] = shutdown_function or stop_server
    app.config[ALLOWED_HOSTS] = allowed_hosts or None
    app.extensions["psc_model"] = LocalRunner(model_factory)
    app.register_blueprint(api)
    if has_page:
        _add_page(app)
    if _is_flask_command():
        _prepare_development_server(app)
        _listen_as_configured()
    return app


@contextmanager
def _exit_if_a_setting_is_wrong() -> Iterator[None]:
    """End the process with one line, where an error would be a traceback of `app.py`."""
    try:
        yield
    except (OSError, ValueError) as error:
        exit_with_error(error)


def _prepare_development_server(app: ModelApp) -> None:
    """Set up Flask's own server; an invalid setting ends the process."""
    with _exit_if_a_setting_is_wrong():
        check_server_settings()
        configure_logging()
        capture_json()
        ModelSpec.of_model(app.config["PSC_MODEL_FACTORY"])
    WRITER.start()
    log.info(
        "development server: the model runs in this process (%s), for debuggers and"
        " coverage, without a time limit",
        os.getpid(),
    )
    app.config[ALLOWED_HOSTS] = read_allowed_hosts()
    if read_page(True):
        _add_page(app)
    prepare_development_stop(app)


def _add_page(app: ModelApp) -> None:
    if "psc_page" not in app.blueprints:
        # imported here: other servers need no markdown-it-py
        from .page.routes import page

        app.register_blueprint(page)


def _listen_as_configured() -> None:
    """Make `flask run` listen at `PSC_MODEL_HOST` and `PSC_MODEL_PORT`.

    Flask's own variables accept no `[::1]`, and Flask's error for a wrong one does not
    name ours. What the command line or Flask's variables set takes precedence.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    find_source = context.get_parameter_source
    run_simple = serving.run_simple

    def run(host: str, port: int, *args: Any, **options: Any) -> None:
        if find_source("host") is ParameterSource.DEFAULT:
            host = read_host(DEVELOPMENT_HOST)
        if find_source("port") is ParameterSource.DEFAULT:
            port = read_port()
        run_simple(host, port, *args, **options)

    # Flask imports it from the one or the other, depending on its version
    for module in (serving, flask.cli):
        vars(module)["run_simple"] = run


def _parse_options(args: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run the development server; use ./entrypoint.sh in production."
    )
    parser.add_argument(
        "--host",
        type=_as_option(parse_host),
        default=read_host(DEVELOPMENT_HOST),
        help="address to listen on (PSC_MODEL_HOST; default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_as_option(parse_port),
        default=read_port(),
        help="port to listen on (PSC_MODEL_PORT; default: %(default)s)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=read_debug(),
        help="reload on changes and show Flask's debugger (PSC_MODEL_DEBUG)",
    )
    return parser.parse_args(args)


def _as_option(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser of an option's value, whose errors argparse shows."""

    def parse_option(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error

    return parse_option


def _is_flask_command() -> bool:
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true"
