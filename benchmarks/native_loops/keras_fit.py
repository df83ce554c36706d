"""keras.Model.fit on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import time

import keras

import crosstrain.zoo
from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, data, recurrent_networks
from native_loops.recurrent import RecurrentTask


def contender(task: Task, batch_size: int) -> Run:
    model = (
        recurrent_networks.build(task.cell, task.layers, str(task.shape[0]))
        if isinstance(task, RecurrentTask)
        else crosstrain.zoo.build(task.network, task.shape, task.classes)
    )
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = data(task)

    def run(steps: int) -> float:
        begin = time.perf_counter()
        done = 0
        while done < steps:
            count = min(steps - done, task.examples // batch_size)
            part = slice(0, count * batch_size)
            model.fit(x[part], y[part], batch_size=batch_size, verbose=0)
            done += count
        return time.perf_counter() - begin

    return run
