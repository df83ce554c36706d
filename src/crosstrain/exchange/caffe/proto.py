"""The messages of Caffe's ``caffe.proto`` that its networks for inference need, with BVLC Caffe's numbers.

There is no package of them, so they are described here for ``google.protobuf``; a message that this module
writes is one that Caffe reads.
"""

from __future__ import annotations

from functools import cache
from typing import Any

Field = tuple[int, str]

MESSAGES: dict[str, dict[str, Field]] = {
    "BlobShape": {"dim": (1, "packed int64")},
    "BlobProto": {"data": (5, "packed float"), "shape": (7, "BlobShape")},
    "NetParameter": {"name": (1, "string"), "layer": (100, "repeated LayerParameter")},
    "LayerParameter": {
        "name": (1, "string"), "type": (2, "string"), "bottom": (3, "repeated string"),
        "top": (4, "repeated string"), "blobs": (7, "repeated BlobProto"),
        "concat_param": (104, "ConcatParameter"), "convolution_param": (106, "ConvolutionParameter"),
        "eltwise_param": (110, "EltwiseParameter"), "inner_product_param": (117, "InnerProductParameter"),
        "pooling_param": (121, "PoolingParameter"), "power_param": (122, "PowerParameter"),
        "relu_param": (123, "ReLUParameter"), "softmax_param": (125, "SoftmaxParameter"),
        "slice_param": (126, "SliceParameter"), "reshape_param": (133, "ReshapeParameter"),
        "batch_norm_param": (139, "BatchNormParameter"), "elu_param": (140, "ELUParameter"),
        "scale_param": (142, "ScaleParameter"), "input_param": (143, "InputParameter"),
    },
    "ConcatParameter": {"axis": (2, "int32")},
    "ConvolutionParameter": {
        "num_output": (1, "uint32"), "bias_term": (2, "bool"), "group": (5, "uint32"),
        "pad_h": (9, "uint32"), "pad_w": (10, "uint32"), "kernel_h": (11, "uint32"),
        "kernel_w": (12, "uint32"), "stride_h": (13, "uint32"), "stride_w": (14, "uint32"),
        "dilation": (18, "repeated uint32"),
    },
    "EltwiseParameter": {"operation": (1, "enum PROD SUM MAX"), "coeff": (2, "repeated float")},
    "InnerProductParameter": {"num_output": (1, "uint32"), "bias_term": (2, "bool")},
    "PoolingParameter": {
        "pool": (1, "enum MAX AVE"), "kernel_h": (5, "uint32"), "kernel_w": (6, "uint32"),
        "stride_h": (7, "uint32"), "stride_w": (8, "uint32"), "pad_h": (9, "uint32"),
        "pad_w": (10, "uint32"), "global_pooling": (12, "bool"),
    },
    "PowerParameter": {"power": (1, "float"), "scale": (2, "float"), "shift": (3, "float")},
    "ReLUParameter": {"negative_slope": (1, "float")},
    "SoftmaxParameter": {"axis": (2, "int32")},
    "SliceParameter": {"slice_point": (2, "repeated uint32"), "axis": (3, "int32")},
    "ReshapeParameter": {"shape": (1, "BlobShape")},
    "BatchNormParameter": {"use_global_stats": (1, "bool"), "eps": (3, "float")},
    "ELUParameter": {"alpha": (1, "float")},
    "ScaleParameter": {"axis": (1, "int32"), "num_axes": (2, "int32"), "bias_term": (4, "bool")},
    "InputParameter": {"shape": (1, "repeated BlobShape")},
}  # fmt: skip
"""Message → field → its number and kind."""


@cache
def net_parameter() -> Any:
    """The class of the message ``NetParameter``, a whole network."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for title, fields in MESSAGES.items():
        described = file.message_type.add(name=title)
        for label, (number, kind) in fields.items():
            _describe(described, label, number, kind)
    pool = descriptor_pool.DescriptorPool()  # of its own: Caffe's own messages may be about
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def _describe(described: Any, label: str, number: int, kind: str) -> None:
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
        values = described.enum_type.add(name=label.capitalize())
        for index, value in enumerate(words[1:]):
            values.value.add(name=value, number=index)
        field.type, field.type_name = Kind.TYPE_ENUM, f".caffe.{described.name}.{values.name}"
    elif what in MESSAGES:
        field.type, field.type_name = Kind.TYPE_MESSAGE, f".caffe.{what}"
    else:
        field.type = getattr(Kind, f"TYPE_{what.upper()}")
