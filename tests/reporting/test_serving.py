"""``crosstrain open``: what is served to whom, and that a running comparison shows."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from crosstrain.api import compare
from crosstrain.comparison.progress.publish import FILE, Published, Sparing, running
from crosstrain.comparison.progress.watch import Silent
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.serving import open_server
from crosstrain.system.files import write_json
from tests.comparison.fakes import Workers, workers
from tests.reporting.making import comparison

__all__ = ["workers"]


class Client:
    """Asks a server that runs in a thread."""

    def __init__(self, folder: Path) -> None:
        self.rendered: list[int] = []

        def render(result: Any, of: Path) -> str:
            self.rendered.append(len(result.cells))
            return f"<html><head></head><body>{len(result.cells)} cells</body></html>"

        self.server = open_server(folder, render=render)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def state(self) -> Any:
        return json.loads(self.ask("/state")[1])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    comparison(tmp_path / "out")
    result = Client(tmp_path / "out")
    yield result
    result.server.shutdown()
    result.server.server_close()


def test_the_report_is_served_and_rendered_anew_when_the_result_changes(
    client: Client, tmp_path: Path
) -> None:
    status, page = client.ask("/")
    version = client.state()["version"]
    assert status == 200
    assert f'<meta name="crosstrain-version" content="{version}"></head>' in page
    assert client.ask("/report.html")[1] == page
    assert len(client.rendered) == 1
    path = tmp_path / "out" / "result.json"
    result = json.loads(path.read_text())
    write_json(path, {**result, "cells": result["cells"][:5]})
    assert client.state()["version"] != version
    assert "5 cells" in client.ask("/")[1]
    path.write_text("{")
    assert client.ask("/") == (500, f"{path} is damaged; run the comparison again to write it anew")
    path.unlink()
    waiting = client.ask("/")[1]
    assert "no results yet" in waiting
    assert client.rendered == [len(result["cells"]), 5]


@pytest.mark.parametrize(
    "path",
    ["/result.json", "/plan.json", "/../out/result.json", "/%2e%2e/signs.npz", "//etc/passwd", "/cells/",
     "/report.html/../plan.json", "/STATE", "/."],
)  # fmt: skip
def test_nothing_else_of_the_disk_is_served(client: Client, path: str) -> None:
    assert client.ask(path) == (404, "There is nothing here.")


def test_a_foreign_page_gets_nothing(client: Client) -> None:
    """DNS rebinding: the browser sends the name of the page that asks."""
    for host in ("evil.example", f"evil.example:{client.port}", "127.0.0.1", f"127.0.0.1:{client.port + 1}",
                 f"127.0.0.1:{client.port}.evil.example", ""):  # fmt: skip
        assert client.ask("/", Host=host)[0] == 403, host
        assert client.ask("/state", Host=host)[0] == 403, host
    assert client.ask("/state", Host=f"localhost:{client.port}")[0] == 200
    with socket.create_connection(("127.0.0.1", client.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")  # no Host at all
        assert b" 403 " in plain.recv(100)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_only_get_is_answered(client: Client, method: str) -> None:
    assert client.ask("/", method)[0] == 405


def test_only_loopback_is_listened_on(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [(None, "no folder of"), ("{", "no folder of"), ('{"kind": "training"}', "holds no comparison")],
)
def test_other_folders_are_refused(tmp_path: Path, plan: str | None, sentence: str) -> None:
    if plan:
        (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(CrosstrainError, match=sentence):
        open_server(tmp_path)


# -- while a comparison is running --------------------------------------------------------------------
def test_what_a_comparison_is_at_shows_while_it_runs(tmp_path: Path, workers: Workers) -> None:
    """After each cell the folder holds what there is so far, and what is being done."""
    folder, seen = tmp_path / "out", []

    class Looks(Silent):
        def event(self, cell: Any, event: Any) -> None:
            if event["event"] == "epoch":
                result = json.loads((folder / "result.json").read_text())
                seen.append((running(folder), len(result["cells"]), result["running"]))

    finished = compare(
        "lenet5", "digits", engines=["torch", "jax"], epochs=2, repeats=1, proof=False, out=folder,
        progress=Looks(),
    )  # fmt: skip
    assert [(status["done"], status["cells"]) for status, _, _ in seen] == [(0, 2)] * 2 + [(1, 2)] * 2
    assert all(status["cell"].startswith("lenet5 at 32 on ") and flag for status, _, flag in seen)
    assert seen[0][1] == 0  # begun, and nothing to show yet
    assert running(folder) is None
    assert not (folder / FILE).exists()
    final = json.loads((folder / "result.json").read_text())
    assert (len(final["cells"]), final["running"]) == (2, False)
    assert finished.result.running is False


def test_a_process_that_died_is_not_running(tmp_path: Path) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    write_json(tmp_path / FILE, {"process": int(gone.stdout), "since": 1.0})
    assert running(tmp_path) is None
    # Another process may have got its number since.
    write_json(tmp_path / FILE, {"process": os.getpid(), "since": psutil.Process().create_time() - 100})
    assert running(tmp_path) is None
    with Published(Silent(), tmp_path) as watch:
        watch.stage("Preparing")
        status = running(tmp_path)
        assert status is not None
        assert status["stage"] == "Preparing"


def test_partial_results_take_at_most_a_hundredth_of_the_time() -> None:
    now = [0.0]
    sparing, spent = Sparing(clock=lambda: now[0]), 0.0
    while now[0] < 1000:
        if sparing.may():
            now[0] += 0.3
            spent += 0.3
            sparing.took(0.3)
        now[0] += 0.7
    assert 0.005 < spent / now[0] <= 0.0103


def test_the_command_says_its_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    comparison(tmp_path / "out")
    command = [sys.executable, "-m", "crosstrain.cli", "open", str(tmp_path / "out"), "--no-browser"]
    code = "import sys; from crosstrain.cli import main; sys.argv[0] = 'crosstrain'; main()"
    command[1:3] = ["-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)
        assert port, address
        second = subprocess.run([*command, "--port", port[1]], capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert second.stderr.splitlines() == [
            f"crosstrain: port {port[1]} is in use; name another with --port, or none for any free one"
        ]
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()  # else a failure would wait for ever
