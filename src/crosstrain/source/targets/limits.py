"""What the targets with a small vocabulary lack: the settings of layers that they have in one form only."""

from __future__ import annotations

from crosstrain.source.view.step import Step


def pictures_only(step: Step) -> bool:
    """Convolutions and poolings of pictures, on square windows, without groups, dilation and padding of their
    own; normalisations with scale and centre over the last axis; recurrent layers forwards."""
    s = step.settings
    if step.kind in ("conv", "max_pool", "average_pool"):
        window = s.get("kernel_size", s.get("size"))
        usual = s["rank"] == 4 and s["padding"] != "explicit" and not isinstance(window, tuple)
        return (
            not usual
            or isinstance(s["stride"], tuple)
            or (s.get("dilation", 1), s.get("groups", 1)) != (1, 1)
        )
    if step.kind == "batch_norm":
        return len(step.roles) != 4
    if step.kind == "layer_norm":
        return len(step.roles) != 2
    return bool(s.get("keepdims") or s.get("backwards"))
