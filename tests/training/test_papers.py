"""The recipes of papers: whole, of networks that there are, and scaled to any number of epochs."""

from __future__ import annotations

from typing import Any

import pytest

from crosstrain import zoo
from crosstrain.comparison.settings import settings
from crosstrain.errors import CrosstrainError
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.papers import PAPERS, PaperRecipe, papers, recipe_for
from crosstrain.training.recipe import Recipe
from crosstrain.training.schedules import Schedule


def asked(network: str = "lenet5", **more: Any) -> Recipe:
    return settings(network, "digits", engines="torch", **more).recipe


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_a_recipe_is_whole_and_gives_rates(paper: PaperRecipe) -> None:
    assert not set(paper.networks) - set(zoo.networks())
    assert all(recipe_for(network) == paper for network in paper.networks)
    recipe = asked(recipe=paper.name, epochs=7)
    assert (recipe.batch_size, recipe.optimizer) == (paper.batch_size, paper.optimizer)
    assert Recipe.from_json(recipe.to_json()) == recipe
    schedule = recipe.schedule.resolved(700, 7)
    rates = [schedule.rate(paper.optimizer.learning_rate or 0.0, step) for step in range(700)]
    assert max(rates) <= (paper.optimizer.learning_rate or 0) * (1 + 1e-12)
    assert all(rate >= 0 for rate in rates)
    finds_its_own = schedule.name == "plateau" or paper.optimizer.name == "adadelta"
    assert finds_its_own or rates[-1] < 0.8 * max(rates)
    assert "to 7: " in paper.summary(7)


def test_residual_networks_of_cifar() -> None:
    """He et al. 2015, section 4.2: 0.1, divided by ten after 32,000 and 48,000 of 64,000 steps."""
    recipe = asked("resnet20", recipe="paper", epochs=10)
    assert recipe.optimizer == Optimizer("sgd", learning_rate=0.1, momentum=0.9, l2=0.0001)
    assert (recipe.batch_size, recipe.augmentation) == (128, {"flip": True, "shift": 4})
    schedule = recipe.schedule.resolved(64_000, 182)
    rates = [schedule.rate(0.1, step) for step in (0, 32_000, 32_001, 48_000, 48_001, 63_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_error_that_stops_falling() -> None:
    """Krizhevsky et al. 2012, section 5: divided by ten, three times at most."""
    recipe = asked("alexnet", recipe="paper", epochs=90)
    assert recipe.schedule.resolved(10**6, 90) == Schedule(
        "plateau", {"factor": 0.1, "min_rate": 1e-5, "patience": 5}
    )
    assert recipe.schedule.resolved(100, 2).settings["patience"] == 1


def test_options_override_parts() -> None:
    recipe = asked(
        recipe="alexnet", batch_size=16, learning_rate=0.3, weight_decay=0.1, augment="flip",
        label_smoothing=0.2, clip_norm=1.0, accumulate=4, ema=0.9,
    )  # fmt: skip
    assert recipe.optimizer == Optimizer(
        "sgd", learning_rate=0.3, momentum=0.9, weight_decay=0.1, global_clipnorm=1.0, accumulate=4, ema=0.9
    )
    assert (recipe.batch_size, recipe.augmentation, recipe.label_smoothing) == (16, {"flip": True}, 0.2)
    assert recipe.schedule.name == "plateau"
    assert asked(recipe="alexnet", augment="").augmentation == {}
    assert asked(recipe="alexnet", optimizer="adam").schedule == Schedule()
    assert asked(recipe="deit").label_smoothing == 0.1


def test_results_say_where_it_comes_from() -> None:
    remarks = settings("vgg11", "digits", engines="torch", recipe="paper", epochs=3).remarks
    assert remarks[0].startswith(
        "The recipe 'vgg' (Simonyan and Zisserman 2014, section 3.1), scaled from 74"
    )
    assert all(each.startswith("Not as in the paper: ") for each in remarks[1:])
    assert len(remarks) > 1


@pytest.mark.parametrize(
    ("network", "more", "words"),
    [
        ("lenet5", {"recipe": "lenet"}, "there is no recipe 'lenet'; there are lenet5, idsia"),
        ("mlp", {"recipe": "paper"}, "no paper's recipe for mlp"),
        ("lenet5,resnet20", {"recipe": "paper"}, "lenet5 has lenet5, resnet20 has resnet-cifar"),
        ("lenet5", {"label_smoothing": 1.0}, "label smoothing must be at least 0 and less than 1"),
        ("lenet5", {"early_stopping": 0}, "early stopping must wait at least 1 epoch"),
        ("lenet5", {"class_weight": "even"}, "is not a setting"),
        ("lenet5", {"class_weight": "0=-1"}, "the weight of class 0 is -1"),
        ("lenet5", {"class_weight": "balanced", "augment": "mixup"}, "cannot be weighted with mixup"),
        ("lenet5", {"accumulate": 0}, "accumulate must be a whole number"),
        ("lenet5", {"ema": 1.5}, "ema must lie between 0 and 1"),
        ("lenet5", {"clip_norm": 0.0}, "must be more than 0"),
        ("lenet5", {"schedule": "cosine:decay_share=2"}, "a share of the training lies between 0 and 1"),
        ("lenet5", {"schedule": "cosine:decay_share=1,decay_steps=9"}, "give one of them"),
        ("lenet5", {"schedule": "cosine:warmup_share=0.1"}, "needs decay_steps"),
    ],
)
def test_what_is_wrong(network: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(CrosstrainError, match=words):
        settings(network, "digits", engines="torch", **more)


def test_every_recipe_is_in_the_docs() -> None:
    from pathlib import Path

    docs = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    for name, paper in papers().items():
        assert f"| `{name}` |" in docs
        assert paper.source.partition(" ")[0] in docs


def test_kernels_begin_as_in_the_paper_unless_another_initializer_is_asked_for() -> None:
    assert asked("alexnet", recipe="paper").kernel_initializer == {"name": "random_normal", "stddev": 0.01}
    assert asked("resnet20", recipe="paper").kernel_initializer == {"name": "he_normal"}
    for stalls in ("lenet5", "idsia"):  # with the paper's, which belong to its scaled tanh
        assert asked(stalls, recipe="paper").kernel_initializer == {}
        assert any("--kernel-initializer" in each for each in papers()[stalls].differs)
    assert asked("nin", recipe="paper").kernel_initializer == {}  # the paper does not say
    assert asked(recipe="alexnet", kernel_initializer="own").kernel_initializer == {}
    assert asked(recipe="alexnet", kernel_initializer="he_uniform").kernel_initializer == {
        "name": "he_uniform"
    }
    assert "kernel_initializer" not in asked().to_json()
