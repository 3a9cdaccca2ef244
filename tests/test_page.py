"""The page of the development server in a real browser, for a text and for an image model."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import NoBrowser, open_browser
from conftest import make_bake
from environment import Environment
from playwright.sync_api import Browser, Page, expect
from repository import Repository
from server import Server

# the browser and both servers are started once
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("page")]

IMAGE_MODEL = '''"""Turns an image of red, green and blue into its negative."""

import os
import struct
import zlib

from flask_psc_model import ModelBase


class Negative(ModelBase):
    """Reads one PNG and writes another, with a sound and a table."""

    input_filenames = ["photo.png"]
    output_filenames = ["negative.png", "sound.wav", "table.bin"]

    def run(self, photo, negative, sound, table):
        """Do so."""
        with open(photo, "rb") as file:
            data = file.read()
        start = data.index(b"IDAT")
        (length,) = struct.unpack(">I", data[start - 4 : start])
        lines = bytearray(zlib.decompress(data[start + 4 : start + 4 + length]))
        width = struct.unpack(">I", data[16:20])[0] * 3 + 1
        for place in range(len(lines)):
            if place % width:
                lines[place] = 255 - lines[place]
        chunk = b"IDAT" + zlib.compress(bytes(lines))
        packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        with open(negative, "wb") as file:
            file.write(data[: start - 4] + packed + data[start + length + 8 :])
        samples = bytes(8000)
        head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16,
                           1, 1, 8000, 8000, 1, 8, b"data", len(samples))
        with open(sound, "wb") as file:
            file.write(head + samples)
        with open(table, "wb") as file:
            file.write(os.urandom(10))
'''

BATCH_MODEL = '''"""Copies up to two files at a time, slowly."""

import shutil
import time

from flask_psc_model import BatchModelBase


class BatchesModel(BatchModelBase):
    """A batch takes a second, so that other jobs wait meanwhile."""

    input_filenames = "input.txt"
    output_filenames = "results.json"
    max_batch_size = 2

    def preprocess(self, input_path):
        """Read nothing."""
        return input_path

    def predict(self, batch):
        """Wait."""
        time.sleep(1.1)
        return batch

    def postprocess(self, result, output_path):
        """Copy one."""
        shutil.copyfile(result, output_path)
'''

IMAGE_FILES = {
    "inputs": {"photo.png": {"acceptedMediaTypes": ["image/png"], "maxSize": "64K"}},
    "outputs": {
        "negative.png": {"mediaType": "image/png"},
        "sound.wav": {"mediaType": "audio/wav"},
        "table.bin": {"mediaType": "application/octet-stream"},
    },
}

DROP = """([name, type, size]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(size)], name, { type }));
    return files;
}"""


def make_png(width: int, height: int, pixel: bytes) -> bytes:
    """Return an image of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = (b"\0" + pixel * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless browser."""
    try:
        with open_browser() as browser:
            yield browser
    except NoBrowser as error:
        pytest.skip(str(error))


def serve(repository: Repository) -> Server:
    """Return the development server of a repository; what it needs is installed with the tools of the tests."""
    variables = Environment(Path(sys.prefix)).variables(PYTHONDONTWRITEBYTECODE="1")
    return Server(repository.path, variables, "python", "app.py")


@pytest.fixture(scope="module")
def text_url(defaults: Repository) -> Iterator[str]:
    """Return the address of the example model, whose input is a text."""
    with serve(defaults) as server:
        server.wait_until_ready()
        yield server.url


@pytest.fixture(scope="module")
def image_url(cookies_session: Any) -> Iterator[str]:
    """Return the address of a model whose input is an image."""
    repository = make_bake(cookies_session)(model_name="Negative")
    (repository.path / "model_lib" / "model.py").write_text(IMAGE_MODEL, encoding="utf-8")
    app = repository.read("app.py").replace("NegativeModel", "Negative")
    (repository.path / "app.py").write_text(app, encoding="utf-8")
    metadata = {**repository.metadata(), **IMAGE_FILES}
    (repository.path / "model.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
    with serve(repository) as server:
        server.wait_until_ready()
        yield server.url


@pytest.fixture(scope="module")
def batch_url(cookies_session: Any) -> Iterator[str]:
    """Return the address of a model that computes batches."""
    repository = make_bake(cookies_session)(model_name="Batches")
    (repository.path / "model_lib" / "model.py").write_text(BATCH_MODEL, encoding="utf-8")
    with serve(repository) as server:
        server.wait_until_ready()
        yield server.url


class Visit:
    """A page in the browser, and what must not happen there.

    Attributes:
        page: the page.
        complaints: what the browser wrote into its console, such as violations of the policy.
        addresses: what the page asked for.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        """Open the page and wait until the model is ready."""
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.page: Page = browser.new_page(**options)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.goto(url)
        expect(self.page.get_by_text("the model is ready")).to_be_visible()

    def choose(self, name: str, media_type: str, content: bytes) -> None:
        """Choose a file for the only input."""
        files = {"name": name, "mimeType": media_type, "buffer": content}
        self.page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]

    def run_own(self) -> None:
        """Send the chosen file."""
        self.page.get_by_role("button", name="Run", exact=True).click()

    def runs(self) -> int:
        """Return how many runs the page has asked for."""
        return sum(address.endswith("/page/run") for address in self.addresses)


@pytest.fixture
def text_page(browser: Browser, text_url: str) -> Iterator[Visit]:
    """Return the page of the text model; at the end all was as it should be."""
    visit = Visit(browser, text_url)
    yield visit
    assert visit.complaints == []
    assert all(address.startswith((text_url, "blob:")) for address in visit.addresses)
    visit.page.close()


def test_the_card_is_shown(text_page: Visit) -> None:
    page = text_page.page
    expect(page).to_have_title("Color Name Predictor")
    expect(page.get_by_role("heading", level=1)).to_have_text("Color Name Predictor")
    expect(page.get_by_text("text/plain · at most 1K")).to_be_visible()
    expect(page.get_by_role("meter")).to_be_visible()
    light = page.locator(".light").evaluate("each => getComputedStyle(each).backgroundColor")
    assert light == "rgb(25, 128, 60)"


def test_an_example_runs_by_the_keyboard_alone(text_page: Visit) -> None:
    page = text_page.page
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Run the example six-digits")).to_be_focused()
    page.keyboard.press("Enter")
    result = page.get_by_role("region", name="Done in")
    expect(result).to_be_focused()
    expect(result).to_contain_text("Inputs")
    expect(result.locator("pre").last).to_contain_text("predictions")
    shown = json.loads(result.locator("pre").last.inner_text())
    assert len(shown["predictions"]) == 5
    # laid out, one value a line
    assert len(result.locator("pre").last.inner_text().splitlines()) > 20


def test_an_output_can_be_downloaded(text_page: Visit) -> None:
    page = text_page.page
    page.get_by_role("button", name="Run the example black").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").last.click()
    assert download.value.suggested_filename == "results.json"
    assert json.loads(download.value.path().read_text())["predictions"][0]["name"] == "black"


def copy_curl(page: Page) -> str:
    """Copy the command of a run, and return it from the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = str(page.evaluate("navigator.clipboard.readText()"))
    assert page.locator(".curl pre").inner_text().strip() == command.strip()
    return command


def run_in_shell(command: str, folder: Path) -> dict[str, object]:
    """Run a command in a folder, and return the response object that it writes."""
    output = subprocess.run(["bash", "-e", "-c", command], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    answer: dict[str, object] = json.loads(output)
    return answer


def test_an_example_runs_in_a_terminal_too(text_page: Visit, tmp_path: Path) -> None:
    page = text_page.page
    page.get_by_role("button", name="Run the example black").click()
    output = page.get_by_role("region", name="Done in").locator("pre").last
    # the page reads the file after it has shown its name
    expect(output).to_contain_text("predictions")
    shown = output.inner_text()
    assert run_in_shell(copy_curl(page), tmp_path)["statusCode"] == 200
    assert json.loads((tmp_path / "data" / "results.json").read_text()) == json.loads(shown)


def test_a_file_of_any_name_runs_in_a_terminal_too(text_page: Visit, tmp_path: Path) -> None:
    name = "my 'file'; \"$HOME\".txt"
    (tmp_path / name).write_text("no colour")
    text_page.choose(name, "text/plain", b"no colour")
    text_page.run_own()
    expect(text_page.page.locator("#outcome")).to_contain_text("422")
    message = text_page.page.locator("#message").inner_text()
    answer = run_in_shell(copy_curl(text_page.page), tmp_path)
    assert (answer["statusCode"], answer["message"]) == (422, message)
    text_page.complaints[:] = [each for each in text_page.complaints if "422" not in each]


def test_without_a_clipboard_the_command_is_shown_and_selected(text_page: Visit) -> None:
    page = text_page.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Run the example black").click()
    page.get_by_role("button", name="Copy as curl").click()
    selected = page.evaluate("getSelection().toString()")
    assert "curl -s -X POST" in selected
    assert page.locator(".curl pre").inner_text().strip() == selected.strip()


def test_a_run_shows_its_batch(browser: Browser, batch_url: str) -> None:
    visits = [Visit(browser, batch_url) for _ in range(3)]
    for visit in visits:
        visit.page.get_by_role("button", name="Run the example black").click()
    words = [visit.page.locator(".batch").inner_text() for visit in visits]
    # the first runs alone, and the others meet while they wait for it
    assert sorted(re.sub(r"1\.\d\d s", "1 s", each) for each in words) == [
        "Computed in a batch of 1 job, which took 1 s.",
        "Computed in a batch of 2 jobs, which took 1 s.",
        "Computed in a batch of 2 jobs, which took 1 s.",
    ]
    for visit in visits:
        assert visit.complaints == []
        visit.page.close()


def test_a_run_without_a_batch_shows_none(text_page: Visit) -> None:
    text_page.page.get_by_role("button", name="Run the example black").click()
    expect(text_page.page.get_by_role("region", name="Done in")).to_be_visible()
    expect(text_page.page.locator(".batch")).to_have_count(0)


def test_a_dropped_file_runs(text_page: Visit, browser: Browser) -> None:
    page = text_page.page
    # it holds zeros, which are no colour
    files = page.evaluate_handle(DROP, ["colour.txt", "text/plain", 6])
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": files})
    text_page.run_own()
    expect(page.locator("#outcome")).to_contain_text("422 Unprocessable Entity, after")
    message = page.locator("#message").inner_text()
    assert "ffaa00" in message
    # the browser itself notes in its console that the answer was no 200
    text_page.complaints[:] = [each for each in text_page.complaints if "422" not in each]


@pytest.mark.parametrize(
    ("name", "media_type", "size", "problem"),
    [
        ("long.txt", "text/plain", 1025, "long.txt has 1 KiB; the limit for input.txt is 1K."),
        ("photo.png", "image/png", 9, "photo.png is image/png; input.txt should be text/plain."),
    ],
)
def test_a_file_beyond_the_limits_is_not_sent(
    text_page: Visit, name: str, media_type: str, size: int, problem: str
) -> None:
    text_page.choose(name, media_type, bytes(size))
    text_page.run_own()
    expect(text_page.page.get_by_role("alert")).to_have_text(problem)
    text_page.choose("colour.txt", "text/plain", b"ffaa00")
    expect(text_page.page.get_by_role("alert")).to_be_hidden()
    assert text_page.runs() == 0
    text_page.run_own()
    expect(text_page.page.locator("#outcome")).to_contain_text("Done in")
    assert text_page.runs() == 1


def test_without_a_file_it_says_so(text_page: Visit) -> None:
    text_page.run_own()
    expect(text_page.page.get_by_role("alert")).to_have_text("Choose a file for input.txt.")
    expect(text_page.page.locator("input[type=file]")).to_be_focused()


def test_it_is_dark_or_light_as_the_reader_wants(browser: Browser, text_url: str) -> None:
    colors = []
    for scheme in ("light", "dark"):
        page = Visit(browser, text_url, color_scheme=scheme).page
        colors.append(page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor"))
        page.close()
    assert colors == ["rgb(247, 247, 245)", "rgb(21, 24, 27)"]


def test_it_fits_on_a_telephone(browser: Browser, text_url: str) -> None:
    page = Visit(browser, text_url, viewport={"width": 320, "height": 600}).page
    page.get_by_role("button", name="Run the example six-digits").click()
    expect(page.get_by_text("Done in")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.close()


def test_an_image_comes_out_as_an_image(browser: Browser, image_url: str) -> None:
    visit = Visit(browser, image_url)
    page = visit.page
    visit.choose("mine.png", "image/png", make_png(16, 9, b"\xff\x80\x00"))
    visit.run_own()
    result = page.get_by_role("region", name="Done in")
    images = result.get_by_role("img")
    expect(images).to_have_count(2)
    for image in (images.first, images.last):
        expect(image).to_have_js_property("naturalWidth", 16)
    pixel = images.last.evaluate(
        """image => {
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(3, 3, 1, 1).data];
        }"""
    )
    assert pixel == [0, 127, 255, 255]
    expect(result.locator("audio")).to_have_js_property("duration", 1)
    # of what is neither, there is a name and a link
    table = result.locator("figure").last
    expect(table).to_contain_text("table.bin application/octet-stream, 10 bytes")
    assert table.evaluate("each => each.children.length") == 1
    assert visit.complaints == []
    page.close()
