"""PyTorch modules held in memory, given to the public functions as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import crosstrain
from crosstrain.errors import CrosstrainError
from crosstrain.exchange.torch_import.archive import Archived
from crosstrain.exchange.torch_import.saving import saved


class Net(nn.Module):
    """Says by its layers which phase it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(2 * 4 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.body(x))
        return scores * 2 if self.training else scores


@pytest.fixture
def module() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_file_has_either_phase_and_the_module_stays_as_it_was(module: Net, tmp_path: Path) -> None:
    module.eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    file = saved(module, {"": (6, 6, 1)}, False, tmp_path)
    assert saved(module, {"": (6, 6, 1)}, False, tmp_path) == file
    assert not module.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    read, x = Archived(file), torch.randn(5, 1, 6, 6)
    assert read.archive_inputs(None)[0].data_shape == (6, 6, 1)
    for phase in (True, False):
        torch.testing.assert_close(read.train(phase)(x=x), module.train(phase)(x))
    with torch.no_grad():
        module.head.bias += 1
    assert saved(module, {"": (6, 6, 1)}, False, tmp_path) != file


def test_a_module_is_trained_on_arrays(module: Net, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    x = (rng.standard_normal((120, 6, 6, 1)) + y[:, None, None, None]).astype("float32")
    trained = crosstrain.train(
        module, (x, y), engine="torch", epochs=1, batch_size=16, optimizer="torch.adamw:lr=0.02",
        out=tmp_path / "run", progress=False,
    )  # fmt: skip
    (epoch,) = trained.result.epochs
    assert trained.result.status == "done"
    assert epoch.train_loss < np.log(3)


@pytest.mark.slow("a proof of a module; its file and a training of it are in every run")
def test_a_module_is_proved(module: Net) -> None:
    proof = crosstrain.prove(
        module, input_shape=(6, 6, 1), engines="torch", precisions="float64", optimizer="torch.sgd:lr=0.1",
        progress=False,
    )  # fmt: skip
    (certificate,) = proof.certificates
    assert certificate.status == "proved", certificate.reason
    assert certificate.outputs < 1e-12


class Counting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, torch.zeros(3, 4)], 1)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Net(), r"the module Net has no shapes; give input_shape"),
        (object(), "a Keras model or a PyTorch module, not object"),
    ],
)
def test_what_is_missing_is_said(network: object, words: str) -> None:
    with pytest.raises(CrosstrainError, match=words):
        crosstrain.prove(network, engines="torch", progress=False)


def test_a_module_for_one_batch_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="computes with the batch's length"):
        saved(Counting(), {"x": (4,)}, False, tmp_path)


def test_a_module_that_fails_says_why(module: Net, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="Net cannot be exported"):
        saved(module, {"": (9, 9, 1)}, False, tmp_path)


class Biased(nn.Module):
    """A convolution with a bias in front of a BatchNorm, as most modules are written."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.norm(self.convolution(x)))
        return torch.as_tensor(self.head(features.mean((2, 3))))


def test_rounding_of_a_gradient_that_is_0_is_no_departure() -> None:
    """The bias's gradient is a sum that cancels: in float32 it is off by what float64 lets one expect."""
    torch.manual_seed(0)
    proof = crosstrain.prove(Biased(), data="digits", engines="torch", progress=False)
    assert [c.status for c in proof.certificates] == ["proved", "proved"]
    assert any("a sum that cancels" in note for note in proof.certificates[1].notes)
