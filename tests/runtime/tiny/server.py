"""A server that keeps the container specification, without a line of the runtime.

It needs nothing but Python, so that an image of it is one file. Its model reads
`input.txt` and writes the text in capitals, and its length, to `results.json`.

With the name of a check in FAULT it breaks what that check is about, and nothing else;
a check that is about several things has several faults, such as `status/silent`.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

FAULT = os.environ.get("FAULT", "")

#: What `same-job-twice` remembers.
SEEN = []

ONE_AT_A_TIME = threading.Lock()

#: What `parallel-jobs` needs: how many jobs have run, and whether two have met.
RUNS = []
RUNNING = threading.Lock()
ANOTHER_RUN = threading.Event()


class Problem(Exception):
    """What is answered in place of a success: a status and a message."""


class Server(ThreadingMixIn, HTTPServer):
    """Answers every request in a thread of its own."""

    daemon_threads = True
    exit_code = 0


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    def handle_request(self):
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if FAULT == "status-during-run":
            with ONE_AT_A_TIME:
                self.answer(body)
        else:
            self.answer(body)

    do_GET = do_POST = handle_request

    def answer(self, body):
        """Run the route's function, and send its result."""
        routes = {
            "GET /status": show_status,
            "POST /run": lambda: run(self.headers.get("Content-Type"), body),
            "POST /shutdown": lambda: (202, "the server stops"),
        }
        route = "{} {}".format(self.command, self.path)
        try:
            code, message = routes.get(route, refuse_route)()
        except Problem as problem:
            code, message = problem.args
        except Exception as error:
            code, message = 500, repr(error)
        if route == "POST /shutdown":
            self.shut_down(code, message)
        else:
            self.send(code, message)

    def shut_down(self, code, message):
        """Answer, and stop the server."""
        if FAULT == "shutdown":
            self.server.exit_code = 1
        if FAULT == "shutdown/code":
            code = 200
        if FAULT != "shutdown/silent":
            self.send(code, message)
        self.wfile.flush()
        if FAULT != "shutdown/deaf":
            threading.Thread(target=self.server.shutdown).start()

    def send(self, code, message):
        """Send the response object."""
        content = {"statusCode": code, "status": "Some", "message": message}
        content_type = "application/json"
        data = json.dumps(content).encode()
        if code == 404 and FAULT == "response-object":
            content_type, data = "text/html", b"<h1>Not found</h1>"
        if FAULT == "response-object/code":
            data = data.replace(b'"statusCode"', b'"code"')
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def show_status():
    """Return that the model is ready."""
    if FAULT == "status":
        raise Problem(500, "no weights")
    if FAULT == "status/silent":
        threading.Event().wait()
    return 200, "ready"


def refuse_route():
    """Return that there is no such route."""
    raise Problem(404, "no such route")


def run(content_type, body):
    """Run a job."""
    try:
        job = json.loads(body.decode("utf-8"))
    except ValueError:
        is_json = content_type == "application/json" or FAULT == "media-type"
        raise Problem(400 if is_json else 415, "expected JSON") from None
    is_job = isinstance(job, dict) and all(
        isinstance(job.get(key), str) for key in ("type", "input", "output")
    )
    if not is_job or job["type"] != "file":
        raise Problem(200 if FAULT == "malformed-jobs" else 400, "expected a job")
    if FAULT == "same-job-twice":
        if job in SEEN:
            raise Problem(500, "this job has been run")
        SEEN.append(job)
    if FAULT == "parallel-jobs":
        return run_alone(job)
    return run_model(job)


def run_alone(job):
    """Run a job, and refuse all others meanwhile, of which there has to be one.

    The first two, with which the check compares others, are left alone.
    """
    RUNS.append(job)
    if len(RUNS) <= 2:
        return run_model(job)
    if not RUNNING.acquire(False):
        ANOTHER_RUN.set()
        raise Problem(500, "busy")
    try:
        ANOTHER_RUN.wait(20)
        return run_model(job)
    finally:
        RUNNING.release()


def run_model(job):
    """Read the input and write the output."""
    try:
        with open(os.path.join(job["input"], "input.txt")) as file:
            text = file.read().strip()
    except OSError as error:
        raise Problem(500 if FAULT == "missing-input" else 400, str(error)) from None
    if not text:
        if FAULT == "validation-errors":
            raise Problem(500, "Expected a text, but found nothing")
        if FAULT == "validation-errors/message":
            raise Problem(422, "no")
        raise Problem(422, "Expected a text, but found nothing")
    if FAULT == "crash":
        os._exit(7)
    path = os.path.join(job["output"], "results.json")
    if FAULT == "no-shared-memory":
        with open("/dev/shm/scratch", "w"):
            pass
    if FAULT == "fresh-output" and os.path.exists(path):
        return 200, "done already"
    shown = text.lower() if FAULT == "examples" else text.upper()
    if FAULT == "examples/missing":
        return 200, "forgot the output"
    with open(path, "w") as file:
        json.dump({"text": shown, "length": len(text)}, file)
    return 200, "done"


def main():
    """Serve until there is a reason to stop."""
    if FAULT == "command":
        sys.exit("there is nothing to do")
    if FAULT == "read-only":
        with open(os.path.abspath(__file__), "a"):
            pass
    port = "8080" if FAULT == "port" else os.environ.get("PSC_MODEL_PORT") or "8080"
    server = Server((os.environ.get("PSC_MODEL_HOST") or "0.0.0.0", int(port)), Handler)

    def stop(number, frame):
        server.exit_code = 1 if FAULT == "sigterm" else 0
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    print("listening on port", port, flush=True)
    server.serve_forever(0.02)
    sys.exit(server.exit_code)


if __name__ == "__main__":
    main()
