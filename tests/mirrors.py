"""A mirror of MNIST on the loopback interface, with the faults that real ones have."""

import contextlib
import gzip
import http.server
import threading
from collections import Counter
from pathlib import Path

HTML = b"<!doctype html><title>Sign in to this network</title>"


class Mirror(http.server.ThreadingHTTPServer):
    """Serves `/<behaviour>/<file>`; counts the requests and holds hanging ones until closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.requests: Counter[str] = Counter()
        self.closing = threading.Event()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        _, behaviour, name = self.path.split("/")
        self.server.requests[self.path] += 1
        with contextlib.suppress(ConnectionError):  # the client may have given up
            getattr(self, f"answer_{behaviour}")((self.server.folder / name).read_bytes())

    def log_message(self, *args: object) -> None:
        """Keeps stderr for the code under test."""

    def send(self, body: bytes, promised_bytes: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(promised_bytes))
        self.end_headers()
        self.wfile.write(body)

    def answer_good(self, content: bytes) -> None:
        self.send(content, len(content))

    def answer_unpacked(self, content: bytes) -> None:
        """Sends what some servers make of a .gz: its content."""
        self.answer_good(gzip.decompress(content))

    def answer_missing(self, content: bytes) -> None:
        self.send_error(404)

    def answer_flaky(self, content: bytes) -> None:
        if self.server.requests[self.path] == 1:
            self.send_error(503)
        else:
            self.answer_good(content)

    def answer_short(self, content: bytes) -> None:
        self.send(content[: len(content) // 2], len(content))

    def answer_truncated(self, content: bytes) -> None:
        self.answer_good(content[:-100])

    def answer_altered(self, content: bytes) -> None:
        self.answer_good(gzip.decompress(content)[:-1] + b"\xff")

    def answer_html(self, content: bytes) -> None:
        self.answer_good(HTML)

    def answer_silent(self, content: bytes) -> None:
        self.server.closing.wait()

    def answer_stalling(self, content: bytes) -> None:
        self.send(content[: len(content) // 2], len(content))
        self.wfile.flush()
        self.server.closing.wait()

    def answer_trickling(self, content: bytes) -> None:
        self.send(b"", len(content))
        for start in range(0, len(content), 10):
            self.wfile.write(content[start : start + 10])
            if self.server.closing.wait(0.05):
                break

    def answer_endless(self, content: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(bytes(1 << 20))
