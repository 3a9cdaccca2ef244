"""Which requests of browsers the server answers.

A browser sends requests on behalf of any page that it shows: a form or a script of any
web site could run jobs and stop the server. Two rules prevent it:

- A page of another server may not send anything but GET. Browsers name the page in
  `Sec-Fetch-Site`, or at least its server in `Origin`; programs send neither.
- A development server answers only under names that are its own. An attacker can make a
  name of theirs point to this machine ("DNS rebinding"); to a browser, their page then
  is this server's.
"""

import ipaddress
from typing import Optional, Sequence
from urllib.parse import urlsplit

from flask import Flask, Request

from ..errors import ForeignPage

#: The key of an app's configuration: names besides those of this machine; None for any.
ALLOWED_HOSTS = "PSC_MODEL_ALLOWED_HOSTS"

#: They change nothing.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def check_browser(app: Flask, request: Request) -> None:
    """Refuse a request that a browser sends for a page of another server.

    Raises:
        ForeignPage: it comes from such a page, or names a host that is not this server.
    """
    host = request.headers.get("Host", "")
    allowed = app.config.get(ALLOWED_HOSTS)
    if host and allowed is not None and not _is_own_host(host, allowed):
        raise ForeignPage(
            f"this server does not answer under the name {host!r}: open it at"
            " http://localhost and its port, or add the name to"
            " PSC_MODEL_ALLOWED_HOSTS"
        )
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if "psc_page" in app.blueprints:
        if not _is_own_page(origin, site, host):
            raise ForeignPage(
                f"a page of another server ({origin or site}) sent this request: only"
                " this server's own page, and programs, may do so"
            )
    elif origin is not None or site not in (None, "none"):
        raise ForeignPage(
            f"a page in a browser ({origin or site}) sent this request: this server"
            " answers programs only, which send neither Origin nor Sec-Fetch-Site"
        )


def _is_own_page(origin: Optional[str], site: Optional[str], host: str) -> bool:
    if site is not None:
        return site in ("same-origin", "none")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.netloc.lower() == host.lower() != ""


def _is_own_host(host: str, allowed: Sequence[str]) -> bool:
    """Return whether a `Host` header names this machine, an IP address, or `allowed`."""
    try:
        name = (urlsplit("//" + host).hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        # nobody can make an address point elsewhere
        return bool(ipaddress.ip_address(name))
    except ValueError:
        if "[" in host:
            # before Python 3.11.4, any text may be in brackets
            return False
    dotted = "." + name
    return any(
        name == each or (each.startswith(".") and dotted.endswith(each))
        for each in ("localhost", ".localhost", *allowed)
    )
