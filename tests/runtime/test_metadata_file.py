"""Changing single values of `model.yaml`, and nothing else."""

import errno
import os
import stat

import pytest
from flask_psc_model.tools.files import replace_file
from flask_psc_model.tools.metadata_file import MetadataFile

VALUES = {
    "resources.memory.size": "96M",
    "timeout.status": "30s",
    "timeout.run": "10s",
}

COMMENTED = """\
# the head
name: "Größe: 1"  # why
resources:   # what it needs
    memory:
        size:    512M    # measured by hand
    cpu: {count: 1}


timeout:
  status: 60s
  run: '20s'
  # the end
"""


def change(folder, content, values=VALUES):
    """Change values of a file with that content, and return its new content."""
    path = folder / "model.yaml"
    path.write_bytes(content.encode("utf-8"))
    file = MetadataFile(str(path))
    file.change(values)
    file.save()
    return path.read_bytes().decode("utf-8")


def refuse(folder, content, values=VALUES):
    """Check that nothing is changed in such a file, and return the message."""
    path = folder / "model.yaml"
    path.write_bytes(content.encode("utf-8"))
    file = MetadataFile(str(path))
    with pytest.raises(ValueError) as caught:
        file.change(values)
    assert file.text == content
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_only_the_values_change(tmp_path):
    expected = COMMENTED.replace("512M", "96M")
    expected = expected.replace("60s", "30s").replace("20s", "10s")
    assert change(tmp_path, COMMENTED) == expected


def test_the_line_ends_of_windows_and_a_byte_order_mark_stay(tmp_path):
    content = "\ufeff" + COMMENTED.replace("\n", "\r\n")
    expected = content.replace("512M", "96M")
    expected = expected.replace("60s", "30s").replace("20s", "10s")
    assert change(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("timeout:\n  run:\n", "timeout:\n  run: 10s\n"),
        ("timeout:\n  run:", "timeout:\n  run: 10s"),
        ("timeout:\n  run:   # soon\nx: 1", "timeout:\n  run: 10s   # soon\nx: 1"),
        ("timeout:\r\n  run:\r\nx: 1\r\n", "timeout:\r\n  run: 10s\r\nx: 1\r\n"),
        ("timeout: {run: , status: 1}", "timeout: {run: 10s , status: 1}"),
        ("timeout: {run: ~}", "timeout: {run: 10s}"),
        ('timeout: {"run":"20s"}', 'timeout: {"run":"10s"}'),
        (
            "timeout:\n  run:\n    # long\n    20s\n",
            "timeout:\n  run:\n    # long\n    10s\n",
        ),
        ("timeout: {run: 1, run: 2}", "timeout: {run: 1, run: 10s}"),
        ("a: {run: 1}\ntimeout: {run: 1}", "a: {run: 1}\ntimeout: {run: 10s}"),
        (
            "---\na: .nan\ntimeout: {run: 90}\n...\n",
            "---\na: .nan\ntimeout: {run: 10s}\n...\n",
        ),
    ],
)
def test_a_value_is_found_however_it_is_written(tmp_path, before, after):
    assert change(tmp_path, before, {"timeout.run": "10s"}) == after


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("timeout:\n  status: 1s\n", '"run: 10s" below "timeout:"'),
        ("timeout:\n", '"run: 10s" below "timeout:"'),
        ("name: x\n", '"timeout: {run: 10s}" to it'),
        ("", '"timeout: {run: 10s}" to it'),
    ],
)
def test_a_missing_key_is_told_with_the_line_to_add(tmp_path, content, line):
    message = refuse(tmp_path, content, {"timeout.run": "10s"})
    assert "has no key timeout.run: add the line " + line in message


@pytest.mark.parametrize(
    "content",
    [
        "timeout: 20s",
        "timeout: [run]",
        "timeout: {run: [20s]}",
        "timeout: {run}",
        "a: &time 20s\ntimeout: {run: *time}",
        "a: &times {run: 20s}\ntimeout: *times",
        "timeout: {run: &time 20s}\na: *time",
        "timeout: {run: !!str 20s}",
        "timeout:\n  run: |\n    20s\n",
    ],
)
def test_a_value_that_others_share_is_left_to_the_user(tmp_path, content):
    message = refuse(tmp_path, content, {"timeout.run": "10s"})
    assert "timeout.run" in message
    assert "write 10s there" in message


@pytest.mark.parametrize("content", ["a: b: c", "timeout: [", "a: 1\n---\nb: 2"])
def test_what_is_not_yaml_is_one_message(tmp_path, content):
    assert "is not valid YAML" in refuse(tmp_path, content)


def test_one_key_that_is_missing_keeps_all_as_they_are(tmp_path):
    refuse(tmp_path, "timeout: {status: 1s, run: 1s}")


def test_other_encodings_are_refused(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_bytes("name: Größe".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8"):
        MetadataFile(str(path))


@pytest.fixture
def changed(tmp_path):
    """Return a changed file, which has not been saved."""
    path = tmp_path / "model.yaml"
    path.write_bytes(COMMENTED.encode("utf-8"))
    file = MetadataFile(str(path))
    file.change(VALUES)
    return file


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, changed, monkeypatch):
    def fail(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        changed.save()
    assert (tmp_path / "model.yaml").read_bytes() == COMMENTED.encode("utf-8")
    assert os.listdir(str(tmp_path)) == ["model.yaml"]


def test_a_saved_file_keeps_its_mode_and_the_link_to_it(tmp_path, changed):
    os.mkdir(str(tmp_path / "elsewhere"))
    target = tmp_path / "elsewhere" / "real.yaml"
    os.rename(changed.path, str(target))
    os.chmod(str(target), 0o640)
    os.symlink(os.path.join("elsewhere", "real.yaml"), changed.path)
    changed.save()
    assert os.readlink(changed.path) == os.path.join("elsewhere", "real.yaml")
    assert "96M" in target.read_text(encoding="utf-8")
    assert stat.S_IMODE(os.stat(str(target)).st_mode) == 0o640
    assert os.listdir(str(tmp_path / "elsewhere")) == ["real.yaml"]


def test_a_new_file_has_the_mode_that_the_user_chooses(tmp_path):
    old = os.umask(0o027)
    try:
        replace_file(str(tmp_path / "new"), b"a")
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(str(tmp_path / "new")).st_mode) == 0o640
