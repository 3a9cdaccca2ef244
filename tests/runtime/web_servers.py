"""A tiny web server that answers whatever a test wants."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Request:
    """A request that the server got."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


@contextlib.contextmanager
def answer_with(answers, content_type="application/json", headers=()):
    """Serve answers by their method and path, such as `POST /run`.

    Args:
        answers: by "METHOD /path": a status code and a body in bytes, or a response
            object's message.
        content_type: of every answer.
        headers: more of every answer, by their names.

    Returns:
        A context manager of the server's URL and the list of its requests.
    """
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            requests.append(Request(self.command, self.path, self.headers, body))
            code, answer = answers.get(
                "{} {}".format(self.command, self.path), (404, "no such route")
            )
            if isinstance(answer, str):
                answer = make_body(code, answer)
            self.send_response(code)
            if content_type:
                self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer

        def log_message(self, *args):
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield "http://127.0.0.1:{}".format(server.server_port), requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_body(status_code, message):
    """Return the response object in bytes."""
    content = {"statusCode": status_code, "status": "Some", "message": message}
    return json.dumps(content).encode()
