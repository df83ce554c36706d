"""The deep belief network: layers learnt one by one as RBMs, then together as a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, on_engine, parameters
from crosstrain.classic.stochastic import backpropagation
from crosstrain.classic.stochastic.rbm import RBM
from crosstrain.classic.targets import labels_like, read_labels
from crosstrain.runs.restored import choose_backend
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe

if TYPE_CHECKING:
    import keras


class DeepBeliefNetwork(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """Deep belief network: a stack of RBMs, each trained on the hidden units of the one below, then
    fine-tuned by backpropagation with a softmax layer on top.

    G. Hinton, S. Osindero, Y. Teh (2006): A fast learning algorithm for deep belief nets; G. Hinton, R.
    Salakhutdinov (2006): Reducing the dimensionality of data with neural networks. ``pretrain`` needs no
    labels, so it can learn from more examples than ``fine_tune``; ``fit`` does both on the same. Fine-tuning
    runs in NumPy, or natively on any engine of crosstrain (``fine_tune(X, y, engine="torch")``, or
    ``crosstrain.train(network.to_keras(), …)``).

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256, 256)
    visible : {"bernoulli", "gaussian"}, default="bernoulli"
        Of the lowest RBM: values from 0 to 1, or standardised real ones.
    pretraining_iter : int, default=10
        Passes over the data for each RBM; 0 starts from random weights.
    pretraining_rate : float, default=0.1
    pretraining_momentum : float, default=0.5
    n_iter : int, default=50
        Epochs of fine-tuning.
    learning_rate : float, default=0.1
    momentum : float, default=0.9
    batch_size : int, default=64
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    coefs_ : list of ndarray
        The weights of each layer, (inputs, units); the last is the softmax layer's.
    intercepts_ : list of ndarray
    classes_ : ndarray of shape (n_classes,)
    reconstruction_errors_ : list of list of float
        Of each RBM after each pass.
    loss_curve_ : list of float
        Mean cross-entropy of each epoch of fine-tuning.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from crosstrain.classic import DeepBeliefNetwork
    >>> X, y = load_digits(return_X_y=True)
    >>> network = DeepBeliefNetwork((64,), pretraining_iter=5, n_iter=40, random_state=0)
    >>> bool(network.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.85)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (256, 256),
        visible: str = "bernoulli",
        pretraining_iter: int = 10,
        pretraining_rate: float = 0.1,
        pretraining_momentum: float = 0.5,
        n_iter: int = 50,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        batch_size: int = 64,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.visible = visible
        self.pretraining_iter = pretraining_iter
        self.pretraining_rate = pretraining_rate
        self.pretraining_momentum = pretraining_momentum
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.random_state = random_state

    # -- learning ------------------------------------------------------------------------------------
    def fit(self, X: Any, y: Any) -> Self:
        """Pre-train on ``X`` (n_samples, n_features), then fine-tune on ``X`` and the labels ``y``
        (n_samples,)."""
        self._labels(X, y, reset=True)  # before hours of pre-training
        return self.pretrain(X).fine_tune(X, y)

    def pretrain(self, X: Any, y: Any = None) -> Self:
        """Learn the hidden layers from the rows of ``X``, without labels. ``y`` is ignored."""
        if not self.hidden_layer_sizes or min(self.hidden_layer_sizes) < 1:
            raise ValueError(
                f"hidden_layer_sizes needs layers of 1 unit or more, not {self.hidden_layer_sizes}"
            )
        parameters.whole(self, "pretraining_iter", least=0)
        data = arrays.to_numpy(arrays.read(self, X, reset=True)[1])
        random = check_random_state(self.random_state)
        self.coefs_: list[np.ndarray] = []
        self.intercepts_: list[np.ndarray] = []
        self.reconstruction_errors_: list[list[float]] = []
        visible = self.visible
        for units in self.hidden_layer_sizes:
            if self.pretraining_iter:
                rbm = self._rbm(units, visible, random).fit(data)
                self.coefs_.append(np.ascontiguousarray(rbm.components_.T))
                self.intercepts_.append(rbm.intercept_hidden_)
                self.reconstruction_errors_.append(rbm.errors_)
                data, visible = rbm.transform(data), "bernoulli"
            else:
                self.coefs_.append(_initial(data.shape[1], units, random))
                self.intercepts_.append(np.zeros(units))
                data = np.empty((0, units))
        self._pretrained = self.coefs_, self.intercepts_
        return self

    def fine_tune(self, X: Any, y: Any, *, engine: str | None = None, device: str = "cpu") -> Self:
        """Train all layers, from their pre-trained weights and with a new softmax layer on top, on ``X`` and
        the labels ``y``.

        ``engine`` names the engine of crosstrain that trains (``torch``, ``tensorflow``, ``jax``, …), in
        float64 and a process of its own; None: NumPy. Both make the same steps on the same batches.

        :raises CrosstrainError: the engine cannot train here.
        """
        check_is_fitted(self, "coefs_")
        parameters.whole(self, "n_iter", "batch_size")
        parameters.within(self, "learning_rate", low=0, high=float("inf"), open_low=True)
        parameters.within(self, "momentum", low=0, high=1)
        data, labels = self._labels(X, y, reset=False)
        random = check_random_state(self.random_state)
        coefs, intercepts = self._with_softmax(len(self.classes_), random)
        recipe = Recipe(
            optimizer=Optimizer("sgd", learning_rate=self.learning_rate, momentum=self.momentum),
            batch_size=self.batch_size,
            epochs=self.n_iter,
            seed=int(random.randint(np.iinfo(np.int32).max)),
        )
        if engine is None:
            losses = backpropagation.train(coefs, intercepts, data, labels, recipe)
        else:
            weights, losses = on_engine.train(
                _keras_model(coefs, intercepts),
                data,
                labels,
                len(self.classes_),
                engine=engine,
                recipe=recipe,
                device=device,
            )
            coefs, intercepts = weights[::2], weights[1::2]
        if not np.isfinite(losses[-1]):
            raise ValueError("the loss became no number in fine-tuning: try a smaller learning_rate")
        self.coefs_, self.intercepts_, self.loss_curve_ = coefs, intercepts, losses
        self.n_iter_ = self.n_iter
        return self

    # -- using ---------------------------------------------------------------------------------------
    def predict_proba(self, X: Any) -> Any:
        """The probability of each class; shape (n_samples, n_classes)."""
        check_is_fitted(self, "loss_curve_")
        with arrays.double_precision(X):
            xp, values = self._layers(X, len(self.coefs_) - 1)
            logits = values @ arrays.like(self.coefs_[-1], values) + arrays.like(self.intercepts_[-1], values)
            powers = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
            return powers / xp.sum(powers, axis=1, keepdims=True)

    def predict(self, X: Any) -> Any:
        """The most probable class of each row; shape (n_samples,)."""
        best = arrays.to_numpy(self.predict_proba(X)).argmax(axis=1)
        return labels_like(self.classes_, best, X)

    def transform(self, X: Any) -> Any:
        """The top hidden layer's means; shape (n_samples, units of that layer)."""
        check_is_fitted(self, "coefs_")
        with arrays.double_precision(X):
            return self._layers(X, len(self._pretrained[0]))[1]

    def to_keras(self, classes: int | None = None) -> keras.Model:
        """The network as a Keras model with these weights: sigmoid layers, then logits; float64.

        Keras by itself computes it in float64 on TensorFlow alone; on its other backends it rounds to float32
        in between.

        After ``pretrain`` alone ``classes`` says how many units the new last layer gets; ``crosstrain.train``
        can then fine-tune the model. After ``fine_tune`` it is left out.
        """
        check_is_fitted(self, "coefs_")
        if len(self.coefs_) > len(self._pretrained[0]):
            return _keras_model(self.coefs_, self.intercepts_)
        if classes is None:
            raise ValueError("the network has no last layer yet; say for how many classes it is to be")
        return _keras_model(*self._with_softmax(classes, check_random_state(self.random_state)))

    @property
    def _n_features_out(self) -> int:
        return len(self._pretrained[1][-1])

    # -- inside --------------------------------------------------------------------------------------
    def _rbm(self, units: int, visible: str, random: np.random.RandomState) -> RBM:
        rate = self.pretraining_rate
        return RBM(
            units,
            visible,
            learning_rate=rate if visible == "bernoulli" else rate / 10,  # its gradients have no bound
            momentum=self.pretraining_momentum,
            batch_size=self.batch_size,
            n_iter=self.pretraining_iter,
            random_state=random.randint(np.iinfo(np.int32).max),
        )

    def _labels(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """``X`` on the host and each label's number in ``classes_``."""
        data = arrays.to_numpy(arrays.read(self, X, reset=reset)[1])
        self.classes_, numbers = read_labels(self, data, y)
        return data, numbers

    def _with_softmax(
        self, classes: int, random: np.random.RandomState
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Copies of the hidden layers and a fresh last one."""
        coefs, intercepts = ([each.copy() for each in layers] for layers in self._pretrained)
        last = _initial(coefs[-1].shape[1], classes, random, gain=1.0)
        return [*coefs, last], [*intercepts, np.zeros(classes)]

    def _layers(self, X: Any, count: int) -> tuple[Any, Any]:
        xp, values = arrays.read(self, X, reset=False)
        for weights, bias in zip(self.coefs_[:count], self.intercepts_[:count], strict=True):
            field = values @ arrays.like(weights, values) + arrays.like(bias, values)
            values = 0.5 * xp.tanh(0.5 * field) + 0.5
        return xp, values


def _keras_model(coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> keras.Model:
    choose_backend()
    from crosstrain.classic.stochastic.keras_model import sigmoid_classifier

    return sigmoid_classifier(coefs, intercepts)


def _initial(inputs: int, units: int, random: np.random.RandomState, gain: float = 4.0) -> np.ndarray:
    """Uniform: X. Glorot, Y. Bengio (2010): Understanding the difficulty of training deep feedforward neural
    networks; a gain of 4 is for sigmoid units."""
    bound = gain * np.sqrt(6 / (inputs + units))
    return random.uniform(-bound, bound, (inputs, units))
