"""PyTorch by hand: nn.Embedding, nn.LSTM and its like, nn.Linear."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from native_loops import LEARNING_RATE, MOMENTUM, Run, batches
from native_loops.recurrent import RecurrentTask
from native_loops.recurrent_networks import UNITS, VOCABULARY

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}


class Network(nn.Module):
    def __init__(self, task: RecurrentTask) -> None:
        super().__init__()
        both = task.layers == "both"
        self.embedding = nn.Embedding(VOCABULARY, UNITS)
        self.recurrent = LAYERS[task.cell](
            UNITS, UNITS, num_layers=1 if both else int(task.layers), batch_first=True, bidirectional=both
        )
        self.logits = nn.Linear(2 * UNITS if both else UNITS, task.classes)
        self.both = both

    def forward(self, tokens: Tensor) -> Tensor:
        _, state = self.recurrent(self.embedding(tokens))
        last = state[0] if isinstance(state, tuple) else state
        return self.logits(torch.cat([last[-2], last[-1]], dim=1) if self.both else last[-1])


def contender(task: RecurrentTask, batch_size: int) -> Run:
    model = Network(task)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, foreach=True)

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
            optimizer.step()
        return time.perf_counter() - begin

    return run
