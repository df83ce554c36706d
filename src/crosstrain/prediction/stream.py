"""A trained network that stays open: it is asked again and again without being started anew."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy as np

from crosstrain.data.prepared import Arrays, pair
from crosstrain.errors import CrosstrainError
from crosstrain.prediction.network import TrainedNetwork, checked
from crosstrain.prediction.settings import Asking
from crosstrain.runs.process import Interrupted, Outcome, run_job
from crosstrain.runs.tasks.streaming import packed, unpacked

SOCKET = "socket"
LONGEST = 103
"""Bytes of a socket's path, on macOS."""


@dataclass
class Stream:
    """The network on its engine. ``seconds`` are those of the network itself, one number for each
    question."""

    network: TrainedNetwork
    _connection: Connection
    seconds: list[float] = field(default_factory=list)

    def ask(self, inputs: Arrays) -> Arrays:
        """The outputs for prepared ``inputs`` (by the data's names). ``EOFError`` where the engine has gone;
        ``stream`` then says why."""
        paired = pair(self.network.inputs, inputs, "input")
        arrays = {name: np.asarray(inputs[source]) for name, source in paired.items()}
        try:
            self._connection.send_bytes(packed(arrays))
            outputs, more = unpacked(self._connection.recv_bytes())
        except OSError as error:
            raise EOFError from error
        self.seconds.append(float(more["seconds"]))
        return outputs


@contextlib.contextmanager
def stream(network: TrainedNetwork, asking: Asking, folder: Path, wanted: list[str]) -> Iterator[Stream]:
    """``network`` open on an engine, for its outputs ``wanted``. ``folder``, whose path must be short, takes
    what lies between. ``CrosstrainError`` where the engine cannot do it, or ends on its way."""
    address = str(folder.resolve() / SOCKET)
    if len(address.encode()) > LONGEST:
        raise CrosstrainError(f"{folder} is too long a path for a socket; set TMPDIR to a shorter one")
    job = {
        **network.job_of(asking, folder),
        "task": "stream",
        "id": "stream",
        "outputs": wanted,
        "address": address,
    }
    outcomes: list[Outcome] = []
    stop = threading.Event()

    def run() -> None:
        try:
            outcomes.append(run_job(job, folder=folder / "logs", timeout=asking.timeout, stop=stop))
        except Interrupted as interrupted:
            outcomes.append(interrupted.outcome)
        finally:
            with contextlib.suppress(OSError):  # whoever still waits for it need not
                Client(address, family="AF_UNIX").close()

    thread = threading.Thread(target=run, name="stream")
    with Listener(address, family="AF_UNIX") as listener:
        thread.start()
        connection = None
        try:
            connection = listener.accept()
            yield Stream(network, connection)
        except EOFError:
            pass
        except BaseException:
            stop.set()
            raise
        finally:
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.send_bytes(b"")
                connection.close()
            thread.join()
    if not outcomes:
        raise CrosstrainError(f"{network.name} cannot be started on {asking.engine}")
    checked(outcomes[0], f"{network.name} cannot be run on {asking.engine}")


__all__: list[str] = ["Stream", "stream"]
