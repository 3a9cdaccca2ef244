"""A headless Chromium, for the tests of the page and for its picture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

#: What the browser is called where it is installed by other means than Playwright's.
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class NoBrowser(Exception):
    """There is no browser on this machine; the message explains how to get one."""


@contextmanager
def open_browser(*options: str) -> Iterator[Browser]:
    """Start the browser, and end it at the end.

    Args:
        options: more of Chromium's command line.

    Raises:
        NoBrowser: there is none.
    """
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, and the pages are our own
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        arguments += options
        browser = playwright.chromium.launch(executable_path=find_browser(playwright), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def find_browser(playwright: Playwright) -> str:
    """Return the path of Playwright's own Chromium, or else of one on the search path.

    Raises:
        NoBrowser: there is none.
    """
    own = playwright.chromium.executable_path
    if Path(own).exists():
        return own
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise NoBrowser(
        "there is no Chromium on this machine: run `python -m playwright install chromium`,"
        " or install the package chromium of your system"
    )
