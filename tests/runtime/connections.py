"""Connections to a server as bad clients have them."""

import contextlib
import http.client
import json
import socket


class Connection:
    """A TCP connection that sends given bytes."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)

    def send(self, data):
        """Send bytes."""
        self.socket.sendall(data)
        return self

    def send_job(self, body, close=False):
        """Send a whole job, and do not wait for its answer."""
        data = json.dumps(body).encode()
        head = "POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n".format(
            len(data), "Connection: close\r\n" if close else ""
        )
        return self.send(head.encode() + data)

    def read_some(self):
        """Wait for the server to send something; nothing when it closes instead."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def read_answer(self):
        """Return the status and the decoded body of one answer."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response.status, json.loads(response.read().decode())

    def close(self):
        """Close the connection."""
        self.socket.close()


@contextlib.contextmanager
def connect(server, count):
    """Return that many connections, which are closed at the end."""
    connections = []
    try:
        for _ in range(count):
            connections.append(Connection(server))
        yield connections
    finally:
        for connection in connections:
            connection.close()
