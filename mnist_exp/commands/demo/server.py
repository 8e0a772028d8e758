"""Serves a page on an address of this machine, until Ctrl-C or SIGTERM.

Nothing is fetched from elsewhere, by the server or by the page. What is sent here is limited.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mnist_exp.commands.sockets import is_loopback

if TYPE_CHECKING:
    import gradio as gr
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 24 * 2**20  # of a request: an image file of 16 MiB in base64, and some
# The page sends images with its questions; Gradio would take uploads, events and links as well.
_ASKED = "/gradio_api/run/"
_NEVER_ASKED = "/gradio_api/deep_link"
_MOST_SESSIONS = 64  # whose last questions Gradio keeps, and so many images
_MOST_CONNECTIONS = 256  # of a page, a handful at once
_QUEUE_SECONDS = 1.0  # between two looks at an empty queue
# A browser refuses whatever the page should ask from another machine. Gradio compiles templates.
_POLICY = (
    "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; frame-ancestors 'self'"
)
SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


@contextmanager
def prepared() -> Iterator[None]:
    """Tells Gradio, before it is imported, to report nothing, and to leave no files behind."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SETTINGS | {"GRADIO_TEMP_DIR": folder})
        yield


def serve(page: "gr.Blocks", look: dict[str, object], listener: socket.socket, host: str) -> None:
    """Serves a page in the foreground; Ctrl-C and SIGTERM end it as they end any command.

    Args:
        page: what to serve.
        look: its theme and style.
        listener: where.
        host: as the user named it.
    """
    import uvicorn

    config = uvicorn.Config(
        application(page, look, host),
        log_level="critical",
        lifespan="on",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,  # a page that is open holds a connection
    )
    uvicorn.Server(config).run(sockets=[listener])


def application(page: "gr.Blocks", look: dict[str, object], host: str) -> "ASGIApp":
    """Returns the page as an application for a server; see `serve`."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard)
    if is_loopback(host) and ":" not in host:  # a site may have a name of its own for 127.0.0.1
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", host])
    page.state_session_capacity = _MOST_SESSIONS
    # Nothing of the page goes through Gradio's queue, at which it looks 1,000 times a second.
    queue = page._queue  # noqa: SLF001 - Gradio has no setting for it
    queue.sleep_when_free = queue.progress_update_sleep_when_free = _QUEUE_SECONDS
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=host,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        **look,
    )
    return app


class Guard:
    """Refuses what the page does not ask, or is too large, and keeps it from asking elsewhere."""

    def __init__(self, app: "ASGIApp") -> None:
        """Wraps an application."""
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers a request."""
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        path, reads = scope["path"], scope["method"] in {"GET", "HEAD"}
        if path.startswith(_NEVER_ASKED) or not (reads or path.startswith(_ASKED)):
            refusal = PlainTextResponse("Not Found", 404)
        elif "transfer-encoding" in headers:
            refusal = PlainTextResponse("Expected a Content-Length.", 411)
        elif not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            refusal = PlainTextResponse(f"Expected at most {MOST_BODY_BYTES} bytes.", 413)
        else:
            refusal = None

        async def answer(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        await (refusal or self._app)(scope, receive, answer)
