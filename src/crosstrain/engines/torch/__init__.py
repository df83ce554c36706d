"""PyTorch: eager or compiled, channels-last, on CPU, CUDA or Apple's GPU.

What makes it what an expert would write stands in the modules beside this one: images on which oneDNN and
cuDNN run their NHWC kernels (``torch_images``), ops joined and values overwritten (``torch_fusion``), all
weights in one vector (``torch_weights``), memory that stays (``memory``).
"""

from crosstrain.engines.torch.engine import ENGINE

__all__ = ["ENGINE"]
