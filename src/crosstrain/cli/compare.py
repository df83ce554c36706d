"""``crosstrain compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.comparison.run import Interrupted
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.terminal.inference import print_inference
from crosstrain.reporting.terminal.tables import print_comparison
from crosstrain.training.spelling import sizes as sizes_of

NAME = "compare"


def command(
    networks: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK[,NETWORK…]",
            help="Zoo name, file.py:function, model.keras or model.onnx; for inference also the folder of a "
            "trained run (FOLDER, or FOLDER:CELL of a comparison). NETWORK@32+48 has input sizes of its own.",
        ),
    ],
    data: options.OptionalData = None,
    task: Annotated[
        str, typer.Option("--task", metavar="TASK", help="training, or inference: serve what is trained.")
    ] = "training",
    engines: Annotated[
        str | None, typer.Option("--engines", metavar="A,B", help="Or all; default: your own Python's.")
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="32,48", help="Input sizes (default: each network's own)."),
    ] = None,
    epochs: options.Epochs = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", help="Initial weights and batch orders to train with.")
    ] = 1,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", metavar="R", help="Times that each seed is measured (default 1)."),
    ] = None,
    batch_size: options.BatchSize = 64,
    batch_sizes: Annotated[
        str, typer.Option("--batch-sizes", metavar="1,8,64", help="Of the throughput (inference).")
    ] = "1,8,64",
    loss: options.LossOption = None,
    optimizer: options.Optimizer = "sgd",
    learning_rate: options.LearningRate = None,
    momentum: options.Momentum = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = "constant",
    prepare: options.Prepare = None,
    split: options.Split = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = None,
    option: options.EngineOption = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="Fit epochs and repeats into this: 10m, 2h."),
    ] = None,
    tuned: Annotated[
        bool,
        typer.Option(
            "--tuned", help="Each engine also as `crosstrain tune` found it best, beside its default."
        ),
    ] = False,
    repeats_until: Annotated[
        str | None,
        typer.Option(
            "--repeats-until",
            metavar="2%",
            help="Repeat until intervals are so narrow, or the budget ends.",
        ),
    ] = None,
    criteria: Annotated[
        bool,
        typer.Option(
            "--criteria", help="Measure also repeatability, latency, sizes, energy and the share of the peak."
        ),
    ] = False,
    prefer: Annotated[
        str | None,
        typer.Option(
            "--prefer", metavar="WHAT", help="accuracy, time, latency, memory, or weights: time=2,memory=1."
        ),
    ] = None,
    timeout: options.Timeout = None,
    memory_limit: options.MemoryLimit = None,
    proof: Annotated[
        bool,
        typer.Option(
            "--proof/--no-proof", help="Certify all rows; what is not certified is not recommended."
        ),
    ] = True,
    trust: options.Trust = False,
    out: options.Out = None,
    json_file: options.Json = None,
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
      crosstrain compare lenet5 --data digits --repeats 2 --criteria
      crosstrain compare crosstrain-runs/my-run --task inference --engines onnxruntime,openvino,torch
    """
    options.check_json(json_file)
    if task == "inference":
        served = api.compare_inference(
            options.listed(networks) or [], data, engines=options.listed(engines), size=_one_size(sizes),
            batch_sizes=_numbers(batch_sizes), repeats=repeats, device=device, threads=threads,
            options=options.by_engine(option), trust=trust, timeout=timeout, memory_limit=memory_limit,
            out=out,
        )  # fmt: skip
        screen = options.screen(json_file)
        if screen:
            print_inference(served, screen)
        options.write(served.model_dump(), json_file)
        raise typer.Exit(0 if served.ok else 1)
    if task != "training":
        raise CrosstrainError(f"there is no task {task!r}; there are training and inference")
    if data is None:
        raise CrosstrainError("say with --data on what to train, as --data digits (crosstrain datasets)")
    interrupted = False
    try:
        comparison = api.compare(
            options.listed(networks) or [], data, engines=options.listed(engines), sizes=sizes_of(sizes),
            epochs=epochs, seeds=seeds, repeats=repeats, batch_size=batch_size, loss=options.losses(loss),
            optimizer=optimizer, learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay,
            schedule=schedule, device=device, precision=precision, threads=threads,
            options=options.by_engine(option),
            proof=proof, trust=trust, budget=budget, timeout=timeout, memory_limit=memory_limit,
            prepare=prepare, split=split, tuned=tuned, criteria=criteria, prefer=prefer,
            repeats_until=repeats_until, out=out,
        )  # fmt: skip
    except Interrupted as stop:
        comparison, interrupted = Comparison(stop.result), True
    screen = options.screen(json_file)
    if screen:
        print_comparison(comparison.result, screen)
    options.write(comparison.to_json(), json_file)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if comparison.ok else 1)


def _one_size(sizes: str | None) -> int | None:
    found = sizes_of(sizes) or []
    if len(found) > 1:
        raise CrosstrainError("a comparison at inference takes one input size")
    return found[0] if found else None


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise CrosstrainError(f"batch sizes are numbers, as 1,8,64, not {text!r}")
    return [int(part) for part in parts]
