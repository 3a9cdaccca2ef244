"""A client of a model's server."""

import json as json_format
from http.client import HTTPException
from typing import Any, Dict, NamedTuple, Optional, Union
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from .settings import parse_url

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Response(NamedTuple):
    """A server's response.

    Attributes:
        status_code: the HTTP status.
        content_type: of the body, empty where there is none.
        data: the body.
        location: the URL of a redirect, empty where there is none.
    """

    status_code: int
    content_type: str
    data: bytes
    location: str = ""

    def get_json(self) -> Any:
        """Return the decoded body, None if it is not JSON."""
        try:
            return json_format.loads(self.data.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str:
        """Return the message of the response object.

        Raises:
            ValueError: the body is not the response object.
        """
        content = self.get_json()
        if not isinstance(content, dict) or not isinstance(content.get("message"), str):
            shown = repr(self.data[:200]) if self.data else "an empty body"
            raise ValueError(
                f"the server answered {self.status_code}: not the response object of the"
                f" specification, but {shown}"
            )
        return str(content["message"])


class _RedirectHandler(HTTPRedirectHandler):
    """Follows redirects of GET only: urllib turns a redirected POST into a GET."""

    def redirect_request(self, req: Request, *args: Any) -> Optional[Request]:
        if req.get_method() != "GET":
            return None
        return super().redirect_request(req, *args)


class Client:
    """Sends requests to a server; its calls are those of Flask's test client."""

    def __init__(self, url: str, timeout: Optional[float] = None) -> None:
        """Choose the server.

        Args:
            url: of the server, or of its `/run` or `/status`.
            timeout: seconds to wait for a response; no limit by default.

        Raises:
            ValueError: it is not an HTTP URL, or it holds a password.
        """
        self.url = parse_url(url)
        self.timeout = timeout
        # a proxy named by the environment cannot reach this machine's servers
        is_local = urlsplit(self.url).hostname in LOCAL_HOSTS
        proxies = [ProxyHandler({})] if is_local else []
        self._opener = build_opener(_RedirectHandler, *proxies)

    def get(self, path: str) -> Response:
        """Send a GET request.

        Raises:
            OSError: the server does not answer.
        """
        return self._send(Request(self.url + path))

    def post(
        self,
        path: str,
        data: Union[bytes, str, None] = None,
        json: Any = None,
        content_type: Optional[str] = None,
    ) -> Response:
        """Send a POST request.

        Args:
            path: the route.
            data: the body as it is.
            json: the body to encode as JSON, in place of `data`.
            content_type: of the body; `application/json` by default with `json`.

        Raises:
            OSError: the server does not answer.
        """
        headers: Dict[str, str] = {}
        if json is not None:
            data = json_format.dumps(json)
            content_type = content_type or "application/json"
        if content_type:
            headers["Content-Type"] = content_type
        body = data.encode("utf-8") if isinstance(data, str) else data or b""
        return self._send(Request(self.url + path, body, headers, method="POST"))

    def _send(self, request: Request) -> Response:
        try:
            try:
                response = self._opener.open(request, timeout=self.timeout)
            except HTTPError as error:
                response = error
            with response:
                location = response.headers.get("Location", "")
                return Response(
                    response.getcode(),
                    response.headers.get("Content-Type", ""),
                    response.read(),
                    location and urljoin(request.full_url, location),
                )
        except URLError as error:
            # its reason is what went wrong, without urllib's own words around it
            reason = error.reason
            raise (
                reason if isinstance(reason, OSError) else OSError(reason)
            ) from error
        except HTTPException as error:
            raise OSError(f"no complete HTTP answer: {error!r}") from error
