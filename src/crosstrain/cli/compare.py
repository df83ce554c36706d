"""``crosstrain compare``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.terminal.inference import print_inference
from crosstrain.reporting.terminal.tables import print_comparison
from crosstrain.studies.comparison import Interrupted

NAME = "compare"
TRAINING, SERVING = api.compare, api.compare_inference


@declared.takes(TRAINING, SERVING)
def command(
    network: str,
    data: str | None = None,
    task: Annotated[
        str, typer.Option("--task", metavar="TASK", help="training, or inference: serve what is trained.")
    ] = "training",
    json_file: options.Json = None,
    **arguments: Any,
) -> None:
    """Train networks natively on every engine, prove that all do the same work, compare.

    Shows a table (certificate, seconds an epoch with their interval, images a second, test accuracy, peak
    memory, compile time) and a recommendation with its reason. Running the same command again does only
    what is missing.

    \b
    Examples:
      crosstrain compare lenet5 --data digits
      crosstrain compare lenet5,resnet20 --data digits --sizes 32 --epochs 3 --seeds 3
      crosstrain compare idsia --data gtsrb:GTSRB.zip --engines torch,jax --budget 10m
      crosstrain compare my_net.py:build --data folder:photos --optimizer adam --json out.json
      crosstrain compare resnet20 --data digits --option torch.compile=default
      crosstrain compare lenet5 --data digits --engines all
      crosstrain compare mlp,classic:LVQ:version=3,classic:RadialBasisNetworkClassifier --data digits
      crosstrain compare lenet5 --data digits --repeats 2 --criteria
      crosstrain compare resnet20 --data digits --recipe paper --epochs 20 --early-stopping 5
      crosstrain compare lenet5 --data digits --search learning-rate=1e-4..1e-1 --trials 20
      crosstrain compare crosstrain-runs/my-run --task inference --engines onnxruntime,openvino,torch
    """
    options.check_json(json_file)
    if task == "inference":
        served = api.compare_inference(network, data, **declared.of(SERVING, arguments))
        screen = options.screen(json_file)
        if screen:
            print_inference(served, screen)
        options.write(served.model_dump(), json_file)
        raise typer.Exit(0 if served.ok else 1)
    if task != "training":
        raise CrosstrainError(f"there is no task {task!r}; there are training and inference")
    if data is None:
        raise CrosstrainError(
            "name the training data with --data, for example --data digits (crosstrain datasets)"
        )
    interrupted = False
    try:
        comparison = api.compare(network, data, **declared.of(TRAINING, arguments))
    except Interrupted as stop:
        comparison, interrupted = Comparison(stop.result), True
    screen = options.screen(json_file)
    if screen:
        print_comparison(comparison.result, screen)
    options.write(comparison.to_json(), json_file)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if comparison.ok else 1)
