"""The layers that PyTorch lacks or means otherwise, and what losses need, as definitions of a source."""

from __future__ import annotations

HELPERS = {
    "same_padding": '''
def same_padding(x, size, stride):
    """(left, right, top, bottom) for an output of ceil(length / stride)."""
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads += [total // 2, total - total // 2]
    return pads
''',
    "SameConv2d": '''
class SameConv2d(nn.Conv2d):
    """padding="same" as in Keras: where the padding is odd, the larger part comes last."""

    def forward(self, x):
        return super().forward(F.pad(x, same_padding(x, self.kernel_size[0], self.stride[0])))
''',
    "SameDepthwiseConv2d": '''
class SameDepthwiseConv2d(DepthwiseConv2d):
    """padding="same" as in Keras: where the padding is odd, the larger part comes last."""

    def forward(self, x):
        return super().forward(F.pad(x, same_padding(x, self.kernel_size[0], self.stride[0])))
''',
    "same_max_pool": '''
def same_max_pool(x, size, stride):
    """padding="same" as in Keras; padding is never the maximum."""
    return F.max_pool2d(F.pad(x, same_padding(x, size, stride), value=-torch.inf), size, stride)
''',
    "same_average_pool": '''
def same_average_pool(x, size, stride):
    """padding="same" as in Keras: the mean of the cells that are not padding."""
    pads = same_padding(x, size, stride)
    cells = F.pad(x.new_ones(1, 1, *x.shape[2:]), pads)
    return F.avg_pool2d(F.pad(x, pads), size, stride) / F.avg_pool2d(cells, size, stride)
''',
    "BatchNorm": '''
class BatchNorm(nn.Module):
    """As in Keras: momentum is the old value's share, and the moving variance is the biased one.

    PyTorch's own layer trains alike but keeps the unbiased variance for inference.
    """

    def __init__(self, channels, momentum, epsilon, axis=1, scale=True, center=True):
        super().__init__()
        self.momentum, self.epsilon, self.axis = momentum, epsilon, axis
        self.gamma = nn.Parameter(torch.ones(channels)) if scale else None
        self.beta = nn.Parameter(torch.zeros(channels)) if center else None
        self.register_buffer("moving_mean", torch.zeros(channels))
        self.register_buffer("moving_variance", torch.ones(channels))

    def forward(self, x):
        x = x.movedim(self.axis, 1)
        moving = self.moving_mean, self.moving_variance
        if self.training:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            with torch.no_grad():
                variance, mean = torch.var_mean(x, axes, correction=0)
                self.moving_mean.lerp_(mean, 1 - self.momentum)
                self.moving_variance.lerp_(variance, 1 - self.momentum)
            moving = None, None
        y = F.batch_norm(x, *moving, self.gamma, self.beta, self.training, eps=self.epsilon)
        return y.movedim(1, self.axis)
''',
    "LSTM": '''
class LSTM(nn.LSTM):
    """With one bias, as in Keras: PyTorch's second one stays zero. The gates have the same order."""

    def __init__(self, features, units):
        super().__init__(features, units, batch_first=True)
        nn.init.zeros_(self.bias_hh_l0)
        self.bias_hh_l0.requires_grad_(False)
''',
    "SimpleRNN": '''
class SimpleRNN(nn.RNN):
    """With one bias, as in Keras: PyTorch's second one stays zero."""

    def __init__(self, features, units):
        super().__init__(features, units, batch_first=True)
        nn.init.zeros_(self.bias_hh_l0)
        self.bias_hh_l0.requires_grad_(False)
''',
    "GRU": '''
class GRU(nn.Module):
    """nn.GRU, with the gates in Keras's order: update, reset, candidate (PyTorch's: reset, update, …)."""

    def __init__(self, features, units):
        super().__init__()
        self.kernel = parameter(features, 3 * units)
        self.recurrent_kernel = parameter(units, 3 * units)
        self.bias = nn.Parameter(torch.zeros(2, 3 * units))

    def forward(self, x):
        return gru(x, self.kernel, self.recurrent_kernel, self.bias, None)
''',
    **{
        f"DepthwiseConv{rank}d": f'''
class DepthwiseConv{rank}d(nn.Conv{rank}d):
    """Each channel by a kernel of its own."""

    def __init__(self, channels, size, **settings):
        super().__init__(channels, channels, size, groups=channels, **settings)
'''
        for rank in (1, 2, 3)
    },
    "pad_channels": '''
def pad_channels(x, channels):
    """Zero channels before and after, for ``channels`` in all."""
    missing = channels - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2))
''',
    "probabilities": '''
def probabilities(p):
    """Scaled to sum to 1 and clipped away from 0 and 1, as in Keras."""
    return (p / p.sum(-1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
''',
}
