"""The messages of Caffe's ``caffe.proto`` that its networks for inference need, with BVLC Caffe's numbers,
and those of Caffe2's ``caffe2.proto``.

There is no package of them, so they are described here for ``google.protobuf``; a message that this module
writes is one that Caffe reads.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError

Field = tuple[int, str]

V1_TYPES = (
    "enum NONE=0 ACCURACY=1 BNLL=2 CONCAT=3 CONVOLUTION=4 DATA=5 DROPOUT=6 EUCLIDEAN_LOSS=7 FLATTEN=8 "
    "HDF5_DATA=9 HDF5_OUTPUT=10 IM2COL=11 IMAGE_DATA=12 INFOGAIN_LOSS=13 INNER_PRODUCT=14 LRN=15 "
    "MULTINOMIAL_LOGISTIC_LOSS=16 POOLING=17 RELU=18 SIGMOID=19 SOFTMAX=20 SOFTMAX_LOSS=21 SPLIT=22 TANH=23 "
    "WINDOW_DATA=24 ELTWISE=25 POWER=26 SIGMOID_CROSS_ENTROPY_LOSS=27 HINGE_LOSS=28 MEMORY_DATA=29 ARGMAX=30 "
    "THRESHOLD=31 DUMMY_DATA=32 SLICE=33 MVN=34 ABSVAL=35 SILENCE=36 CONTRASTIVE_LOSS=37 EXP=38 "
    "DECONVOLUTION=39"
)
"""The layers of the files before 2015."""

MESSAGES: dict[str, dict[str, Field]] = {
    "BlobShape": {"dim": (1, "packed int64")},
    "BlobProto": {
        "num": (1, "int32"), "channels": (2, "int32"), "height": (3, "int32"), "width": (4, "int32"),
        "data": (5, "packed float"), "shape": (7, "BlobShape"), "double_data": (8, "packed double"),
    },
    "NetParameter": {
        "name": (1, "string"), "layers": (2, "repeated V1LayerParameter"), "input": (3, "repeated string"),
        "input_dim": (4, "repeated int32"), "input_shape": (8, "repeated BlobShape"),
        "layer": (100, "repeated LayerParameter"),
    },
    "NetStateRule": {"phase": (1, "enum TRAIN TEST")},
    "LayerParameter": {
        "name": (1, "string"), "type": (2, "string"), "bottom": (3, "repeated string"),
        "top": (4, "repeated string"), "blobs": (7, "repeated BlobProto"),
        "include": (8, "repeated NetStateRule"), "exclude": (9, "repeated NetStateRule"),
        "concat_param": (104, "ConcatParameter"), "convolution_param": (106, "ConvolutionParameter"),
        "dropout_param": (108, "DropoutParameter"), "eltwise_param": (110, "EltwiseParameter"),
        "inner_product_param": (117, "InnerProductParameter"), "lrn_param": (118, "LRNParameter"),
        "pooling_param": (121, "PoolingParameter"), "power_param": (122, "PowerParameter"),
        "relu_param": (123, "ReLUParameter"), "softmax_param": (125, "SoftmaxParameter"),
        "slice_param": (126, "SliceParameter"), "prelu_param": (131, "PReLUParameter"),
        "reshape_param": (133, "ReshapeParameter"), "flatten_param": (135, "FlattenParameter"),
        "batch_norm_param": (139, "BatchNormParameter"), "elu_param": (140, "ELUParameter"),
        "bias_param": (141, "BiasParameter"), "scale_param": (142, "ScaleParameter"),
        "input_param": (143, "InputParameter"),
    },
    "V1LayerParameter": {
        "bottom": (2, "repeated string"), "top": (3, "repeated string"), "name": (4, "string"),
        "type": (5, V1_TYPES), "blobs": (6, "repeated BlobProto"),
        "include": (32, "repeated NetStateRule"), "exclude": (33, "repeated NetStateRule"),
        "concat_param": (9, "ConcatParameter"), "convolution_param": (10, "ConvolutionParameter"),
        "dropout_param": (12, "DropoutParameter"), "inner_product_param": (17, "InnerProductParameter"),
        "lrn_param": (18, "LRNParameter"), "pooling_param": (19, "PoolingParameter"),
        "power_param": (21, "PowerParameter"), "eltwise_param": (24, "EltwiseParameter"),
        "relu_param": (30, "ReLUParameter"), "slice_param": (31, "SliceParameter"),
        "softmax_param": (39, "SoftmaxParameter"),
    },
    "ConcatParameter": {"concat_dim": (1, "uint32"), "axis": (2, "int32")},
    "ConvolutionParameter": {
        "num_output": (1, "uint32"), "bias_term": (2, "bool"), "pad": (3, "repeated uint32"),
        "kernel_size": (4, "repeated uint32"), "group": (5, "uint32"), "stride": (6, "repeated uint32"),
        "pad_h": (9, "uint32"), "pad_w": (10, "uint32"), "kernel_h": (11, "uint32"),
        "kernel_w": (12, "uint32"), "stride_h": (13, "uint32"), "stride_w": (14, "uint32"),
        "dilation": (18, "repeated uint32"),
    },
    "DropoutParameter": {"dropout_ratio": (1, "float")},
    "EltwiseParameter": {"operation": (1, "enum PROD SUM MAX"), "coeff": (2, "repeated float")},
    "InnerProductParameter": {
        "num_output": (1, "uint32"), "bias_term": (2, "bool"), "axis": (5, "int32"), "transpose": (6, "bool"),
    },
    "LRNParameter": {
        "local_size": (1, "uint32"), "alpha": (2, "float"), "beta": (3, "float"),
        "norm_region": (4, "enum ACROSS_CHANNELS WITHIN_CHANNEL"), "k": (5, "float"),
    },
    "PoolingParameter": {
        "pool": (1, "enum MAX AVE STOCHASTIC"), "kernel_size": (2, "uint32"), "stride": (3, "uint32"),
        "pad": (4, "uint32"), "kernel_h": (5, "uint32"), "kernel_w": (6, "uint32"),
        "stride_h": (7, "uint32"), "stride_w": (8, "uint32"), "pad_h": (9, "uint32"),
        "pad_w": (10, "uint32"), "global_pooling": (12, "bool"), "round_mode": (13, "enum CEIL FLOOR"),
    },
    "PowerParameter": {"power": (1, "float"), "scale": (2, "float"), "shift": (3, "float")},
    "ReLUParameter": {"negative_slope": (1, "float")},
    "PReLUParameter": {"channel_shared": (2, "bool")},
    "SoftmaxParameter": {"axis": (2, "int32")},
    "SliceParameter": {
        "slice_dim": (1, "uint32"), "slice_point": (2, "repeated uint32"), "axis": (3, "int32"),
    },
    "ReshapeParameter": {"shape": (1, "BlobShape"), "axis": (2, "int32"), "num_axes": (3, "int32")},
    "FlattenParameter": {"axis": (1, "int32"), "end_axis": (2, "int32")},
    "BatchNormParameter": {"use_global_stats": (1, "bool"), "eps": (3, "float")},
    "ELUParameter": {"alpha": (1, "float")},
    "BiasParameter": {"axis": (1, "int32"), "num_axes": (2, "int32")},
    "ScaleParameter": {"axis": (1, "int32"), "num_axes": (2, "int32"), "bias_term": (4, "bool")},
    "InputParameter": {"shape": (1, "repeated BlobShape")},
}  # fmt: skip
"""Message → field → its number and kind."""


CAFFE2: dict[str, dict[str, Field]] = {
    "Argument": {
        "name": (1, "string"), "f": (2, "float"), "i": (3, "int64"), "s": (4, "bytes"),
        "floats": (5, "repeated float"), "ints": (6, "repeated int64"), "strings": (7, "repeated bytes"),
    },
    "OperatorDef": {
        "input": (1, "repeated string"), "output": (2, "repeated string"), "name": (3, "string"),
        "type": (4, "string"), "arg": (5, "repeated Argument"),
    },
    "NetDef": {
        "name": (1, "string"), "op": (2, "repeated OperatorDef"), "external_input": (7, "repeated string"),
        "external_output": (8, "repeated string"),
    },
}  # fmt: skip


@cache
def net_parameter() -> Any:
    """The class of Caffe's message ``NetParameter``, a whole network."""
    return _class("caffe", MESSAGES, "NetParameter")


@cache
def net_def() -> Any:
    """The class of Caffe2's message ``NetDef``, a whole network, or what fills its blobs."""
    return _class("caffe2", CAFFE2, "NetDef")


def parsed(message: Any, path: Path, what: str) -> Any:
    """``message`` filled from a binary file. ``CrosstrainError`` where there is none, or it is not ``what``
    (as "a .caffemodel file")."""
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(path.read_bytes())
    except OSError as error:
        raise CrosstrainError(f"there is no file {path}") from error
    except DecodeError as error:
        raise CrosstrainError(f"{path} is not {what}, or is damaged") from error
    return message


def _class(package: str, messages: dict[str, dict[str, Field]], title: str) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for label, (number, kind) in fields.items():
            _describe(described, package, messages, label, number, kind)
    pool = descriptor_pool.DescriptorPool()  # of its own: Caffe's own messages may be about
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{title}"))


def _describe(
    described: Any, package: str, messages: dict[str, dict[str, Field]], label: str, number: int, kind: str
) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kind

    words = kind.split()
    several = words[0] in ("packed", "repeated")
    field = described.field.add(
        name=label, number=number, label=Kind.LABEL_REPEATED if several else Kind.LABEL_OPTIONAL
    )
    if words[0] == "packed":
        field.options.packed = True
    what = words[1] if several else words[0]
    if what == "enum":
        values = described.enum_type.add(name="".join(word.capitalize() for word in label.split("_")))
        for index, word in enumerate(words[1:]):
            value, _, own = word.partition("=")
            values.value.add(name=value, number=int(own or index))
        field.type, field.type_name = Kind.TYPE_ENUM, f".{package}.{described.name}.{values.name}"
    elif what in messages:
        field.type, field.type_name = Kind.TYPE_MESSAGE, f".{package}.{what}"
    else:
        field.type = getattr(Kind, f"TYPE_{what.upper()}")
