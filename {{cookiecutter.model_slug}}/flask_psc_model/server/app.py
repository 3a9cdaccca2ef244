"""The Flask app and its development server."""

import argparse
import logging
import os
import sys
from typing import Callable, List, Optional, Union

from flask import Flask

from ..logs import WRITER, capture_json, configure_logging
from ..model.loading import ModelFactory
from ..model.spec import ModelSpec
from ..workers.runner import LocalRunner
from .routes import api
from .shutdown import prepare_development_stop, stop_server

DEFAULT_PORT = 8080

log = logging.getLogger(__name__)


class ModelApp(Flask):
    """A Flask app that serves one model."""

    def main(self, args: Optional[List[str]] = None) -> None:
        """Run the development server, with the model in this process.

        Args:
            args: command-line arguments; default: those of the process.
        """
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

    Raises:
        ValueError: no model factory is set.
    """
    model_factory = model_factory or os.environ.get("PSC_MODEL_FACTORY")
    if not model_factory:
        raise ValueError(
            "there is no model to serve: pass a class or its dotted path to create_app,"
            " or set PSC_MODEL_FACTORY, for example to model_lib.model.MyModel"
        )
    app = ModelApp("flask_psc_model")
    app.config["PSC_MODEL_FACTORY"] = model_factory
    app.config["PSC_SHUTDOWN_FUNCTION"] = (
        shutdown_function or os.environ.get("PSC_SHUTDOWN_FUNCTION") or stop_server
    )
    app.extensions["psc_model"] = LocalRunner(model_factory)
    app.register_blueprint(api)
    _add_page(app, default="0")
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
        _prepare_development_server(app)
    return app


def _prepare_development_server(app: ModelApp) -> None:
    """Set up Flask's own server; an invalid setting ends the process."""
    try:
        configure_logging()
        capture_json()
        ModelSpec.of_model(app.config["PSC_MODEL_FACTORY"])
    except ValueError as error:
        sys.exit(f"error: {error}")
    WRITER.start()
    log.info(
        "development server: the model runs in this process (%s), for debuggers and"
        " coverage, without a time limit",
        os.getpid(),
    )
    _add_page(app, default="1")
    prepare_development_stop(app)


def _add_page(app: ModelApp, default: str) -> None:
    """Add the web page if `PSC_MODEL_PAGE`, or else the default, is true."""
    enabled = _is_true(os.environ.get("PSC_MODEL_PAGE") or default)
    if enabled and "psc_page" not in app.blueprints:
        # imported here: other servers need no markdown-it-py
        from .page.routes import page

        app.register_blueprint(page)


def _parse_options(args: Optional[List[str]]) -> argparse.Namespace:
    environment = os.environ
    parser = argparse.ArgumentParser(
        description="Run the development server; use ./entrypoint.sh in production."
    )
    parser.add_argument(
        "--host",
        default=environment.get("PSC_MODEL_HOST") or "127.0.0.1",
        help="address to listen on (PSC_MODEL_HOST; default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=environment.get("PSC_MODEL_PORT") or DEFAULT_PORT,
        help="port to listen on (PSC_MODEL_PORT; default: %(default)s)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=_is_true(environment.get("PSC_MODEL_DEBUG")),
        help="reload on changes and show Flask's debugger (PSC_MODEL_DEBUG)",
    )
    return parser.parse_args(args)


def _is_true(text: Optional[str]) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes", "on")
