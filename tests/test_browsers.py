"""A page that attacks the server, in a real browser: from another port, another site, and a rebound name."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import NoBrowser, open_browser
from environment import Environment
from playwright.sync_api import Browser, Page, expect
from repository import Repository
from server import Server

# the browser and the servers are started once
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("browsers")]

#: To the browser, these names are of this machine.
NAMES = ("evil.test", "rebound.test", "box.test")

SERVERS = {
    "development": (["python", "app.py"], {"PSC_MODEL_ALLOWED_HOSTS": "box.test"}),
    "container": ([], {}),
    "container with the page": ([], {"PSC_MODEL_PAGE": "1"}),
}

#: Sends a body as a form does: its only field begins the JSON, and its value ends it.
FORM = """([url, body]) => {
    const form = document.createElement("form");
    Object.assign(form, { action: url, method: "post", enctype: "text/plain" });
    const [name, value] = [body.slice(0, -1) + ',"a":"', '"}'];
    form.append(Object.assign(document.createElement("input"), { name, value, type: "hidden" }));
    document.body.append(form);
    form.submit();
}"""

FETCH = """([url, body]) => fetch(url, { method: "POST", mode: "no-cors", body }).then(() => {})"""

#: Does the same in a frame, whose origin is `null`.
SANDBOX = """(args) => new Promise((resolve) => {
    addEventListener("message", resolve, { once: true });
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    const call = `(${FETCH})(${JSON.stringify(args)}).finally(() => parent.postMessage(1, "*"))`;
    frame.srcdoc = "<script>" + call + "</script>";
    document.body.append(frame);
}).then(() => {})""".replace("${FETCH}", FETCH)


class BlankPage(BaseHTTPRequestHandler):
    """Answers every request with a page without content, the attacker's."""

    def do_GET(self) -> None:
        """Send the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title><body></body>")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless browser that knows the names."""
    rules = ",".join(f"MAP {name} 127.0.0.1" for name in NAMES)
    try:
        with open_browser(f"--host-resolver-rules={rules}") as browser:
            yield browser
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def attacker() -> Iterator[int]:
    """Return the port of the attacker's server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BlankPage) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=SERVERS)
def victim(request: pytest.FixtureRequest, defaults: Repository) -> Iterator[Server]:
    """Return each server in turn; it is still there at the end."""
    command, variables = SERVERS[request.param]
    environment = Environment(Path(sys.prefix)).variables(PYTHONDONTWRITEBYTECODE="1", **variables)
    with Server(defaults.path, environment, *command) as server:
        server.wait_until_ready()
        yield server
        assert server.get("/status")[0] == 200


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page of the browser."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """Return a job that would overwrite a result."""
    (tmp_path / "input.txt").write_text("000", encoding="utf-8")
    (tmp_path / "results.json").write_text("mine", encoding="utf-8")
    return {"type": "file", "input": str(tmp_path), "output": str(tmp_path)}


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://evil.test"], ids=["another port", "another site"])
@pytest.mark.parametrize("way", [FORM, FETCH, SANDBOX], ids=["form", "fetch", "sandbox"])
@pytest.mark.parametrize("route", ["/run", "/shutdown"])
def test_a_page_of_another_server_runs_and_stops_nothing(
    victim: Server, attacker: int, page: Page, job: dict[str, str], origin: str, way: str, route: str
) -> None:
    page.goto(f"{origin}:{attacker}/")
    if way == SANDBOX:
        # Playwright shows no response to such a frame
        page.evaluate(way, [victim.url + route, json.dumps(job)])
    else:
        with page.expect_response(victim.url + route) as response:
            page.evaluate(way, [victim.url + route, json.dumps(job)])
        assert response.value.status == 403
    assert Path(job["output"], "results.json").read_text(encoding="utf-8") == "mine"
    # a program beside it
    assert victim.post("/run", job)[0] == 200


@pytest.mark.parametrize("victim", ["development"], indirect=True)
def test_a_rebound_name_reads_and_stops_nothing(victim: Server, page: Page) -> None:
    url = victim.url.replace("127.0.0.1", "rebound.test")
    response = page.goto(url)
    assert response
    assert response.status == 403
    expect(page.locator("body")).to_contain_text("PSC_MODEL_ALLOWED_HOSTS")
    script = "([path, method]) => fetch(path, { method }).then((response) => response.status)"
    for path, method in (("/openapi.json", "GET"), ("/status", "GET"), ("/run", "POST"), ("/shutdown", "POST")):
        assert page.evaluate(script, [path, method]) == 403


@pytest.mark.parametrize("victim", ["development"], indirect=True)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "box.test"])
def test_the_page_of_the_server_itself_runs_under_its_names(victim: Server, page: Page, name: str) -> None:
    page.goto(victim.url.replace("127.0.0.1", name))
    page.get_by_role("button", name="Run the example black").click()
    expect(page.locator("#outcome")).to_contain_text("Done in")
