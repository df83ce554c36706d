"""Serves one report to this machine's own browser, and tells it how far a running comparison is.

Nothing of the disk is served but the page made of the folder's result: there are three addresses, and no
path of a request ever becomes a path of a file.
"""

from __future__ import annotations

import errno
import json
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crosstrain.comparison.progress.publish import running
from crosstrain.errors import CrosstrainError
from crosstrain.results.inference import InferenceResult
from crosstrain.results.loading import load
from crosstrain.results.schema import ComparisonResult

HOST = "127.0.0.1"
"""Loopback alone: reports may name people's data and folders."""
VERSION = "crosstrain-version"
"""The name of the page's ``meta`` that tells which result it shows; ``live.js`` reads it."""
SECONDS = 10
"""Seconds after which a silent client is disconnected."""

KINDS = ("comparison", "inference")
Result = ComparisonResult | InferenceResult
Render = Callable[[Result, Path], str]


def open_server(folder: Path, port: int = 0, render: Render | None = None) -> ThreadingHTTPServer:
    """A server of the report of the comparison in ``folder``, on 127.0.0.1 at ``port`` (0: any free one);
    call its ``serve_forever`` and ``server_close``. ``render(result, folder)`` gives the page's HTML
    (default: the report's).

    Raises ``CrosstrainError`` where the folder holds no comparison, or the port is in use.
    """
    source = _Source(_checked(folder), render or _page)
    try:
        return _Server((HOST, port), _handler(source))
    except OverflowError as error:
        raise CrosstrainError(f"a port is a number from 0 to 65535, not {port}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CrosstrainError(
                f"port {port} is in use; name another with --port, or none for any free one"
            ) from error
        if error.errno == errno.EACCES:
            raise CrosstrainError(f"port {port} needs more rights than yours; name one above 1023") from error
        raise


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the network for this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close the connection in the middle of an answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _checked(folder: Path) -> Path:
    try:
        plan = json.loads((folder / "plan.json").read_text())
        kind = plan["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if running(folder):  # its plan is about to be written
            return folder.resolve()
        raise CrosstrainError(
            f"{folder} is no folder of `crosstrain compare` (it has no plan.json)"
        ) from error
    if kind not in KINDS:
        raise CrosstrainError(f"{folder} holds no comparison but: {kind}; only comparisons have a report")
    return folder.resolve()


def _page(result: Result, folder: Path) -> str:
    from crosstrain.reporting import page

    if isinstance(result, InferenceResult):
        return page.render_inference(result, live=True)
    return page.render(result, folder, live=True)


@dataclass
class _Source:
    """The page of a folder's result, rendered anew when that has changed."""

    folder: Path
    render: Render
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rendered: tuple[str, str] = ("", "")

    def version(self) -> str:
        """Changes with every new result; empty where there is none yet."""
        try:
            stat = (self.folder / "result.json").stat()
        except OSError:
            return ""
        return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"

    def state(self) -> dict[str, Any]:
        status = running(self.folder)
        shown = ("stage", "cell", "done", "cells", "share", "left_seconds")
        return {"version": self.version(), "running": status and {key: status.get(key) for key in shown}}

    def html(self) -> str:
        version = self.version()
        with self._lock:  # one renders, the others wait for it
            if self._rendered[0] != version or not version:
                html = self.render(load(self.folder), self.folder) if version else _waiting()
                # The page has to know what it shows: a result may come before its script first asks.
                mark = f'<meta name="{VERSION}" content="{version}">'
                self._rendered = version, html.replace("</head>", f"{mark}</head>", 1)
            return self._rendered[1]


def _waiting() -> str:
    """The page where there is no result yet: its script loads it again once there is one."""
    script = (Path(__file__).parent / "page" / "assets" / "live.js").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>crosstrain</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,"></head><body><main><h1>crosstrain</h1>'
        "<p>There are no results yet. This page shows them as soon as there are.</p></main>"
        f"<script>{script}</script></body></html>"
    )


def _handler(source: _Source) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "crosstrain"
        sys_version = ""
        timeout = SECONDS

        def do_GET(self) -> None:
            if not self._from_here():
                self._answer(HTTPStatus.FORBIDDEN, "This server answers to its own address alone.")
                return
            answers = {"/": self._html, "/report.html": self._html, "/state": self._state}
            answer = answers.get(self.path.partition("?")[0])
            if answer is None:
                self._answer(HTTPStatus.NOT_FOUND, "There is nothing here.")
                return
            answer()

        def _refused(self) -> None:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is answered.", headers={"Allow": "GET"})

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refused  # noqa: N815

        def _from_here(self) -> bool:
            """Whether the request names this server. A foreign page whose name was made to point here
            (DNS rebinding) names itself."""
            port = self.connection.getsockname()[1]
            names = [[f"{name}:{port}"] for name in (HOST, "localhost")]
            return self.headers.get_all("Host") in names

        def _html(self) -> None:
            try:
                html = source.html()
            except CrosstrainError as error:
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
                return
            self._answer(HTTPStatus.OK, html, "text/html")

        def _state(self) -> None:
            self._answer(HTTPStatus.OK, json.dumps(source.state()), "application/json")

        def _answer(
            self, status: HTTPStatus, text: str, kind: str = "text/plain", headers: Mapping[str, str] = {}
        ) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in {**_HEADERS, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: a line for every request would bury the messages on the terminal."""

    return Handler


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
