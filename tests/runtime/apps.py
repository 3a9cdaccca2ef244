"""An app in this process, with a model made of one function."""

import json

from flask_psc_model import ModelBase, create_app

FIELDS = {"statusCode", "status", "message"}


def make_model(run, inputs="input.txt", outputs="results.json", **attributes):
    """Return a model class whose `run` is a function of the paths."""
    attributes.setdefault("input_filenames", inputs)
    attributes.setdefault("output_filenames", outputs)
    attributes["run"] = lambda self, *paths: run(*paths)
    return type("Model", (ModelBase,), attributes)


def make_client(run, **attributes):
    """Return a client of the app of such a model; see `make_model`."""
    return create_app(make_model(run, **attributes)).test_client()


def check(answer, status_code, message=None):
    """Check that an answer is the response object of the specification.

    Args:
        answer: of a Flask test client or of our own client.
        status_code: the expected one.
        message: what the message should contain.

    Returns:
        The message.
    """
    assert answer.status_code == status_code, answer.data
    assert answer.content_type.split(";")[0] == "application/json"
    # Flask 2.2's own get_json() fails once the app is out of scope
    content = json.loads(answer.data.decode("utf-8"))
    assert set(content) == FIELDS
    assert content["statusCode"] == status_code
    for name in ("status", "message"):
        assert isinstance(content[name], str)
        assert content[name].strip()
    if message is not None:
        assert message in content["message"]
    return content["message"]


def copy_text(input_path, output_path):
    """Copy the input to the output."""
    with open(input_path, encoding="utf-8") as file:
        text = file.read()
    with open(output_path, "w", encoding="utf-8") as file:
        file.write(text)
