"""Downloads from a server of our own: whole, checked, and taken up where they ended."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.system import download as downloading
from crosstrain.system.download import download

CONTENT = bytes(range(256)) * 4096


@dataclass
class Server:
    """Serves ``content``; hangs up after ``most`` bytes of an answer, and notes where answers began."""

    content: bytes = CONTENT
    version: str = '"one"'
    most: int = 10**9
    began: list[int] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path != "/weights.h5":
            request.send_error(404)
            return
        start = 0
        if request.headers.get("If-Range") == self.version:
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.began.append(start)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(self.content) - start))
        request.send_header("ETag", self.version)
        request.end_headers()
        request.wfile.write(self.content[start : start + self.most])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}/weights.h5"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_file_is_downloaded_once_and_checked(server: Server, tmp_path: Path, kind: str) -> None:
    path, checksum = tmp_path / "models" / "weights.h5", hashlib.new(kind, CONTENT).hexdigest()
    download(server.url, path, checksum)
    download(server.url, path, checksum)
    assert path.read_bytes() == CONTENT
    assert server.began == [0]
    path.write_bytes(b"damaged")
    download(server.url, path, checksum)
    assert path.read_bytes() == CONTENT
    assert sorted(each.name for each in path.parent.iterdir()) == ["weights.h5", "weights.h5.lock"]


def test_another_file_is_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with pytest.raises(CrosstrainError, match=r"weights\.h5 is not the file that it should be"):
        download(server.url, path, "0" * 64)
    assert [each.name for each in tmp_path.iterdir()] == ["weights.h5.lock"]


def test_what_was_interrupted_goes_on(server: Server, tmp_path: Path) -> None:
    """Within a call, and in the next one after it gave up."""
    path, server.most = tmp_path / "weights.h5", len(CONTENT) // 4
    with pytest.raises(CrosstrainError, match="the connection ended before the file did"):
        download(server.url, path)
    assert not path.exists()
    quarter = len(CONTENT) // 4
    assert server.began == [number * quarter for number in range(downloading.ATTEMPTS)]
    download(server.url, path)
    assert server.began[-1] == downloading.ATTEMPTS * quarter
    assert path.read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_continued(server: Server, tmp_path: Path) -> None:
    path, server.most = tmp_path / "weights.h5", 1000
    with pytest.raises(CrosstrainError, match="ended before"):
        download(server.url, path)
    server.version, server.content, server.most = '"two"', CONTENT[::-1], 10**9
    download(server.url, path)
    assert server.began[-1] == 0
    assert path.read_bytes() == CONTENT[::-1]


def test_what_cannot_be_had_is_one_sentence(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="answers 404 Not Found"):
        download(server.url.replace("weights", "nothing"), tmp_path / "weights.h5")
    with pytest.raises(CrosstrainError, match=r"http://127\.0\.0\.1:9/x cannot be downloaded: .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "weights.h5")
    assert not (tmp_path / "weights.h5").exists()
