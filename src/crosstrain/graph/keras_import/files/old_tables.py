"""Names in Keras 1 and 2, and their names in Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODELS = ("Functional", "Sequential")

CLASSES: Mapping[str, str] = {
    "Model": "Functional",
    "Network": "Functional",
    "Container": "Functional",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
    "Policy": "DTypePolicy",
    "PolicyV1": "DTypePolicy",
}

MERGES: Mapping[str, str] = {
    "concat": "Concatenate",
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
}
"""Layers for the modes of Keras 1's ``Merge``."""
MERGE_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "Concatenate": {"concat_axis": "axis"},
    "Dot": {"dot_axes": "axes"},
}
"""By layer: the arguments of ``Merge`` that it takes, and under which names."""

_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_PLANE = {"border_mode": "padding", "subsample": "strides", "dim_ordering": "data_format"}
_CONVOLUTION = {**_KERNEL, **_PLANE, "nb_filter": "filters", "atrous_rate": "dilation_rate"}
_LINE = {**_CONVOLUTION, "filter_length": "kernel_size", "subsample_length": "strides"}
_RECURRENT = {
    **_KERNEL,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
_POOL_LINE = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}

ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "Dense": {**_KERNEL, "output_dim": "units"},
    "Conv1D": _LINE,
    "Conv2D": _CONVOLUTION,
    "Conv3D": _CONVOLUTION,
    "Conv2DTranspose": _CONVOLUTION,
    "SeparableConv2D": _CONVOLUTION,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "MaxPooling1D": _POOL_LINE,
    "AveragePooling1D": _POOL_LINE,
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", "dim_ordering": "data_format"},
    "GaussianNoise": {"sigma": "stddev"},
    "GaussianDropout": {"p": "rate"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"theta": "threshold"},
}
"""By class of Keras 3: the earlier names of its arguments."""

EVERYWHERE: Mapping[str, str] = {"dim_ordering": "data_format", "border_mode": "padding"}
"""Earlier names of arguments, whatever the class."""

PAIRS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "Conv2D": (("nb_row", "nb_col"), "kernel_size"),
    "Conv2DTranspose": (("nb_row", "nb_col"), "kernel_size"),
    "SeparableConv2D": (("nb_row", "nb_col"), "kernel_size"),
    "Conv3D": (("kernel_dim1", "kernel_dim2", "kernel_dim3"), "kernel_size"),
}
"""Pairs of arguments that became one."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {"GRU": {"reset_after": False}}
"""Defaults of old files that differ from those of Keras 3."""

VALUES: Mapping[str, Mapping[str, str]] = {
    "data_format": {"tf": "channels_last", "th": "channels_first"},
    "activation": {"softmax_v2": "softmax", "tanh_v2": "tanh", "sigmoid_v2": "sigmoid"},
    "distribution": {"normal": "truncated_normal"},
    "initializer": {
        "uniform": "random_uniform",
        "normal": "random_normal",
        "zero": "zeros",
        "one": "ones",
    },
}
"""By argument (``initializer`` for all that end in it): the current names of its values."""

WITHOUT_EFFECT = frozenset(
    {
        "batch_input_shape", "input_shape", "input_dim", "input_dtype", "input_length", "batch_size",
        "implementation", "consume_less", "query_shape", "key_shape", "value_shape", "renorm_clipping",
        "renorm_momentum", "fused", "experimental_autocast", "autocast", "forget_bias_init",
    }
)  # fmt: skip
"""Arguments that Keras 3 does not use and that do not change what a layer computes."""
