"""Lightning: PyTorch's network, with a ``LightningModule`` that says how a ``Trainer`` trains it."""

from __future__ import annotations

from dataclasses import replace

from crosstrain.source.objects import classes
from crosstrain.source.placement import NAME as DEVICE
from crosstrain.source.placement import Placement
from crosstrain.source.skeleton import arrays, described, loss_of, momentum, schedule_and_update
from crosstrain.source.target import Draft
from crosstrain.source.targets.torch import LOSSES, STYLE, TORCH, files_and_main

OPTIMIZER = '''class Optimizer(torch.optim.Optimizer):
    """Applies ``update`` to every parameter."""

    def __init__(self, parameters):
        super().__init__(parameters, {{"lr": LEARNING_RATE}})
        self.steps = 0

    @torch.no_grad()
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        rate = learning_rate(self.steps)
        self.steps += 1
        for w in self.param_groups[0]["params"]:
            if w.grad is not None:
                {update}
        return loss'''

WITH_SLOTS = """slots = self.state[w].setdefault("slots", [torch.zeros_like(w) for _ in range({slots})])
                new, *slots[:] = update(w, w.grad, *slots, rate, self.steps)
                w.copy_(new)"""

MODULE = '''class LitModel(L.LightningModule):
    """The training of a network: its loss and its optimizer."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def training_step(self, batch, batch_idx):
        {arrays} = batch
        loss = loss_of({called}self.network({inputs}), {targets}){penalty}
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len({first}))
        return loss

    def on_train_epoch_end(self):
        loss = self.trainer.callback_metrics["loss"]
        print(f"epoch {{self.current_epoch + 1}}: loss {{loss:.4f}}")

    def configure_optimizers(self):
        return {optimizer}'''

ORDER = '''class Order:
    """The examples of each epoch in crosstrain's order; the Trainer tells the epoch."""

    def __init__(self, examples, seed):
        self.examples, self.seed, self.epoch = examples, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.examples

    def __iter__(self):
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.examples))'''

SETTINGS = (
    "max_epochs=epochs", "logger=False", "enable_checkpointing=False", "enable_progress_bar=False",
    "enable_model_summary=False",
)  # fmt: skip
"""Of the ``Trainer``: a source says the loss of each epoch, and leaves no files behind."""


def _optimizer(draft: Draft) -> str:
    """The expression of the optimizer; adds its definition where it is not PyTorch's own."""
    if draft.training.plain:
        return f"torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE{momentum(draft)})"
    schedule_and_update(draft, "torch.sqrt")
    slots = len(draft.training.slots)
    update = WITH_SLOTS.format(slots=slots) if slots else "w.copy_(update(w, w.grad, rate, self.steps))"
    draft.add(OPTIMIZER.format(update=update))
    return "Optimizer(self.network.parameters())"


def _train(draft: Draft) -> None:
    names = arrays(draft)
    device = (f"**{DEVICE}",) if draft.placing else ()
    draft.add(ORDER)
    draft.add(
        f"def train(model, {names}, epochs=5, batch_size={draft.training.batch_size}, seed=0):",
        f'    """Train on arrays: {described(draft)}."""',
        f"    examples = TensorDataset(*map(torch.from_numpy, ({names})))",
        f"    order = Order(len({draft.inputs[0]}), seed)",
        "    batches = DataLoader(examples, batch_size, sampler=order)",
        f"    trainer = L.Trainer({', '.join((*device, *SETTINGS))})",
        "    trainer.fit(LitModel(model), batches)",
    )


def write(draft: Draft) -> None:
    classes(draft, STYLE)
    loss_of(draft, LOSSES, "PyTorch")
    optimizer = _optimizer(draft)
    draft.add(
        MODULE.format(
            arrays=arrays(draft), called="*" if len(draft.outputs) > 1 else "",
            inputs=", ".join(draft.inputs), targets=", ".join(draft.targets), first=draft.inputs[0],
            penalty=" + self.network.penalty" if draft.network.penalty else "", optimizer=optimizer,
        )
    )  # fmt: skip
    _train(draft)
    files_and_main(draft)


PLACEMENT = Placement(
    cpu='{"accelerator": "cpu"}', cuda='{{"accelerator": "gpu", "devices": [{index}]}}', line=""
)

LIGHTNING = replace(
    TORCH, name="lightning", title="Lightning", write=write, placement=PLACEMENT, engines=("lightning",),
    imports=("import argparse", "import math", "", "import lightning as L", "import numpy as np",
             "import torch", "import torch.nn.functional as F", "from torch import nn",
             "from torch.utils.data import DataLoader, TensorDataset"),
    packages=("lightning", "numpy", "torch"),
    asks={
        "axes": "channels stand first: pictures are permuted on the way in",
        "training and inference": "the Trainer switches the module by train() and eval()",
        "random numbers": "one global generator, L.seed_everything",
        "gradients": "the Trainer calls backward() and step() on what training_step returns",
        "weights": "attributes of modules; kernels are (out, in, height, width) and (out, in)",
        "compilation": "none unless torch.compile is called",
    },
)  # fmt: skip
