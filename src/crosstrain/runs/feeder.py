"""The process that augments: makes the batches of a training ahead of the worker (``runs/tasks/feed.py``).

``python -m crosstrain.runs.feeder JOB`` is started by a worker, in the supervisor's Python. Standard input
brings the number of an epoch, and a line for each batch that was taken; standard output tells of each
batch how many examples it has. The end of the input ends it.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from crosstrain.data.augmentation.augmenter import Augmenter
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.data.images.decoding import one_by_one
from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError
from crosstrain.runs.tasks.feed import SLOTS, layout, slots_in
from crosstrain.training.augmentation import checked
from crosstrain.training.recipe import Recipe, batches

Arrays = dict[str, np.ndarray]


class Batches:
    """The augmented batches of a training, epoch by epoch; of several processes each makes its share."""

    def __init__(self, data_folder: Path, recipe: Recipe, part: int = 0, parts: int = 1) -> None:
        self.recipe = recipe
        self.data = Prepared.load(data_folder)
        settings = checked(recipe.augmentation)
        self.layout = layout(self.data, settings)
        source, statistics = training_form(self.data)
        inputs, whole = source.arrays("train")
        own = self.data.arrays("train")[1]
        # What lies in pictures is moved like them, from whole ones; other targets are the evaluation's.
        boxes = self.data.boxes()
        targets = {**own, **{name: whole[name] for name in (*self.data.label_maps(), *boxes)}}
        self._pictures = {name: np.asarray(inputs[name]) for name in self.data.pictures()}
        self._regions = {name: np.asarray(inputs[name]) for name in self.data.regions()}
        self._targets = {
            name: np.asarray(array) for name, array in targets.items() if f"target/{name}" in self.layout
        }
        self._augmenter = Augmenter(settings, statistics, recipe.seed, boxes)
        self._share = part, parts

    def epoch(self, epoch: int) -> Iterator[Arrays]:
        """This process's batches by the names of the layout, in their order."""
        part, parts = self._share
        order = batches(self.data.examples("train"), self.recipe.batch_size, self.recipe.seed, epoch)
        for number, index in enumerate(order):
            if number % parts == part:
                inputs, targets = self._augmenter.batch(
                    self._pictures, self._targets, epoch, index, self._regions
                )
                yield {
                    **{f"input/{name}": array for name, array in inputs.items()},
                    **{f"target/{name}": array for name, array in targets.items()},
                }


def serve(job: Mapping[str, Any], orders: IO[bytes], answers: IO[bytes]) -> None:
    """Fill the shared memory as the worker asks, until it is gone."""

    def say(what: Any) -> None:
        answers.write(json.dumps(what).encode() + b"\n")
        answers.flush()

    try:
        recipe = Recipe.from_json(job["recipe"])
        made = Batches(Path(job["data_folder"]), recipe, job["part"], job["parts"])
        size = min(recipe.batch_size, made.data.examples("train"))
        slots = slots_in(mmap.mmap(job["memory"], 0), made.layout, size)
        next(made.epoch(0), None)  # what is imported at the first batch belongs to no epoch's time
        say(0)
        while line := orders.readline():
            number = -1
            for number, batch in enumerate(made.epoch(int(line))):
                if number >= SLOTS and not orders.readline():
                    return
                for name, array in batch.items():
                    slots[number % SLOTS][name][: len(array)] = array
                say(len(array))
            for _ in range(min(number + 1, SLOTS)):  # those of the last batches
                orders.readline()
    except CrosstrainError as error:
        say(str(error))
    except BrokenPipeError:
        return  # the worker is gone


def main(arguments: list[str]) -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the worker's log
    with one_by_one():
        try:
            serve(json.loads(arguments[0]), sys.stdin.buffer, answers)
        except Exception as error:
            traceback.print_exc()
            answers.write(
                json.dumps(f"augmentation failed: {type(error).__name__}: {error}").encode() + b"\n"
            )
            answers.flush()
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
