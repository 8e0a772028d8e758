"""A server between a command and its tracking server, which can be slow or answer with errors."""

import contextlib
import http.client
import http.server
import threading
import time

SLOW_SECONDS = 0.3


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to a loopback port while its `mode` is "pass"."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        """Begins to serve, in threads.

        Args:
            port: of the server behind it.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = port
        self.mode = "pass"  # or "slow", or the code of an answer
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *args: object) -> None:
        """Keeps stderr for what is found: commands are killed while they ask."""

    @property
    def uri(self) -> str:
        """The address to use in the place of the server's."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.mode == "slow":
            time.sleep(SLOW_SECONDS)
        elif self.server.mode != "pass":
            self._answer(int(self.server.mode), b"{}", "application/json")
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=120)
        with contextlib.closing(connection):
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
            except OSError:
                self._answer(502, b"{}", "application/json")
                return
            kind = answer.headers.get("Content-Type", "application/json")
            self._answer(answer.status, content, kind)

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        with contextlib.suppress(ConnectionError):  # the command may have been killed
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - as the library has it

    def log_message(self, *args: object) -> None:
        """Keeps stderr for what is found."""
