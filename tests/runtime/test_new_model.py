"""The files that a new model may have."""

import pytest
from flask_psc_model.model.cases import (
    MESSAGE_FILENAME,
    check_filenames,
    check_findable,
)
from flask_psc_model.tools.new_model.files import NewFile, check_files


def parse(inputs, outputs):
    """Return the files of a new model."""
    files = [[NewFile.parse(text) for text in texts] for texts in (inputs, outputs)]
    check_files(*files)
    return files


# --- the files ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [".cfg.txt", ".cfg", "a/.cfg.txt"])
def test_a_hidden_file_is_refused_for_every_model(name):
    with pytest.raises(ValueError, match="is hidden, and cases skip hidden files"):
        check_findable(["a.txt", name])


@pytest.mark.parametrize("name", ["a~", "a.txt~", "b/a.txt~", ".cfg.txt", "."])
def test_a_file_that_cases_skip_is_refused_for_a_new_model(name):
    with pytest.raises(ValueError):
        parse([name + ":text/plain"], ["out.json"])


def test_a_file_that_looks_like_a_backup_is_fine_for_a_model_that_is_there():
    # a case may have it under another extension
    check_findable(["a.txt~", "b.json"])


@pytest.mark.parametrize(
    "names",
    [
        ["a/b.png", "a.txt"],
        ["a.txt", "a/b.png"],
        ["a/b", "a"],
        ["a.d/b.png", "a.txt"],
        ["a/b/c.png", "a.txt"],
        ["a/b/c.png", "a/b.txt"],
    ],
)
def test_a_file_cannot_share_the_name_of_a_folder(names):
    with pytest.raises(ValueError) as failure:
        check_findable(names)
    for name in names:
        assert name in str(failure.value)
    assert "a folder and a file" in str(failure.value)


@pytest.mark.parametrize(
    "names",
    [
        ["a/b.png", "a/c.png"],
        ["a/b.png", "b.txt"],
        ["a.x/b.png", "a.y/c.png"],
        ["b/a.png", "a.txt"],
        [".d/a.png", "a.txt"],
        ["a.png", "message/b.txt"],
    ],
)
def test_other_files_in_folders_are_fine(names):
    check_findable(names)


@pytest.mark.parametrize("name", ["message.txt", "message.png", "message"])
def test_the_file_of_the_expected_message_is_named_as_such(name):
    with pytest.raises(ValueError) as failure:
        check_filenames(["a.txt", name], MESSAGE_FILENAME)
    assert str(failure.value) == (
        "message.txt holds the expected error message of a case, whatever its"
        " extension: rename the file {}, or set error_message_filename".format(name)
    )


@pytest.mark.parametrize("name", ["message/a.txt", "message.d/a.txt"])
def test_the_folder_of_a_new_file_is_not_that_of_the_message(name):
    with pytest.raises(ValueError, match="message.txt are a folder and a file"):
        parse([name], ["out.json"])


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("application/json", "json"),
        ("Application/JSON", "json"),
        ("application/geo+json", "json"),
        ("application/x-ndjson", "bytes"),
        ("application/ndjson", "bytes"),
        ("application/jsonl", "bytes"),
        ("text/x-ndjson", "text"),
        ("text/csv", "text"),
        ("image/png", "bytes"),
    ],
)
def test_only_one_json_value_is_read_as_json(media_type, kind):
    assert NewFile.parse("data:" + media_type).kind == kind
