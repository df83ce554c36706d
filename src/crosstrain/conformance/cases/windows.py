"""Convolutions, poolings, dense layers and up-sampling: uneven padding, strides, dilation, groups."""

from __future__ import annotations

from typing import Any

from crosstrain.conformance.cases.case import OpCase
from crosstrain.conformance.cases.drawing import normal, spread, whole


def cases() -> list[OpCase]:
    def conv(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        spatial = x.ndim - 2
        plain = {
            "strides": (1,) * spatial,
            "padding": ((0, 0),) * spatial,
            "dilation": (1,) * spatial,
            "groups": 1,
        }
        return OpCase("conv", (x, kernel, normal(kernel.shape[-1])), plain | changes, label)

    def depthwise(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
        bias = normal(kernel.shape[-1] * kernel.shape[-2])
        return OpCase("depthwise_conv", (x, kernel, bias), plain | changes, label)

    def transposed(label: str, x: Any, kernel: Any, **changes: Any) -> OpCase:
        spatial = x.ndim - 2
        plain = {"strides": (2,) * spatial, "crop": ((0, 0),) * spatial, "dilation": (1,) * spatial}
        return OpCase("conv_transpose", (x, kernel, normal(kernel.shape[-2])), plain | changes, label)

    def pools(label: str, x: Any, **attributes: Any) -> list[OpCase]:
        return [OpCase(op, (x,), attributes, label) for op in ("max_pool", "average_pool")]

    image = normal(2, 6, 5, 4)
    return [
        conv("", image, normal(3, 2, 4, 3)),
        conv("even", image, normal(3, 3, 4, 3), padding=((1, 1), (1, 1))),
        conv("uneven", image, normal(3, 3, 4, 3), padding=((0, 1), (2, 1)), strides=(2, 1)),
        conv("dilated", image, normal(2, 2, 4, 3), dilation=(2, 3)),
        conv("groups", image, normal(2, 2, 2, 6), groups=2, strides=(1, 2)),
        conv("one", normal(2, 7, 3), normal(3, 3, 5), padding=((2, 0),), strides=(2,)),
        conv("one_axis_even", normal(2, 7, 3), normal(3, 3, 5), padding=((1, 1),), dilation=(2,)),
        conv(
            "three",
            normal(2, 4, 3, 5, 2),
            normal(2, 2, 2, 2, 3),
            padding=((1, 0), (0, 0), (1, 1)),
            strides=(1, 1, 2),
        ),
        conv("grey", normal(2, 5, 5, 1), normal(3, 3, 1, 2)),
        OpCase(
            "conv",
            (image, normal(1, 1, 4, 2)),
            {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)},
            "no_bias",
        ),
        depthwise("", image, normal(3, 3, 4, 1), padding=((1, 1), (1, 1))),
        depthwise("multiplied", image, normal(2, 3, 4, 2), padding=((0, 1), (1, 1)), strides=(2, 2)),
        transposed("", normal(2, 3, 4, 3), normal(3, 2, 5, 3)),
        transposed("cropped", normal(2, 3, 4, 3), normal(3, 3, 2, 3), crop=((0, 1), (1, 1))),
        transposed("grown", normal(2, 3, 4, 3), normal(2, 3, 2, 3), crop=((0, -1), (1, -2)), strides=(3, 2)),
        transposed(
            "dilated",
            normal(2, 3, 4, 3),
            normal(2, 2, 2, 3),
            dilation=(2, 2),
            strides=(1, 1),
            crop=((1, 0), (0, 0)),
        ),
        transposed("one_axis", normal(2, 5, 3), normal(4, 2, 3), crop=((1, 1),)),
        transposed("three_axes", normal(1, 2, 3, 2, 2), normal(2, 2, 3, 2, 2)),
        *pools("", spread(2, 4, 6, 3), window=(2, 3), strides=(2, 2), padding=((0, 0), (0, 0))),
        *pools("even", spread(2, 5, 5, 2), window=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))),
        *pools("uneven", spread(2, 5, 4, 2), window=(3, 2), strides=(2, 2), padding=((0, 1), (1, 0))),
        *pools("wide", spread(1, 3, 3, 2), window=(3, 3), strides=(1, 1), padding=((2, 2), (2, 1))),
        *pools("one_axis", spread(2, 7, 2), window=(3,), strides=(2,), padding=((0, 1),)),
        *pools(
            "three_axes",
            spread(1, 4, 3, 4, 2),
            window=(2, 2, 2),
            strides=(2, 1, 2),
            padding=((0, 0), (0, 1), (0, 0)),
        ),
        OpCase("dense", (normal(3, 4), normal(4, 2), normal(2))),
        OpCase("dense", (normal(2, 3, 4), normal(4, 2)), label="no_bias"),
        OpCase("dense", (normal(2, 3, 4), normal(4, 2), normal(2)), label="series"),
        OpCase("upsample_nearest", (normal(2, 3, 2, 3),), {"size": (2, 3)}),
        OpCase("upsample_nearest", (normal(2, 3, 2),), {"size": (3,)}, "one_axis"),
        OpCase("upsample_nearest", (whole(9, 2, 3, 2, 1),), {"size": (2, 1)}, "whole"),
    ]
