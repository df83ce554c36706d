"""The layers that Flax NNX lacks or means otherwise, as definitions of a source."""

from __future__ import annotations


def _recurrent(name: str, function: str, gates: int, bias: str, more: str) -> str:
    width = "units" if gates == 1 else f"{gates} * units"
    return f'''
class {name}(nnx.Module):
    """x (N, time, features) to (N, time, units); {more}."""

    def __init__(self, features, units, *, rngs):
        draw = nnx.initializers.he_normal()
        self.kernel = nnx.Param(draw(rngs.params(), (features, {width})))
        self.recurrent = nnx.Param(draw(rngs.params(), (units, {width})))
        self.bias = nnx.Param(jnp.zeros({bias.format(width=width)}))

    def __call__(self, x):
        weights = self.kernel[...], self.recurrent[...], self.bias[...]
        return {function}(x, *weights, {"None, None" if gates == 4 else "None"})[0]
'''


HELPERS = {
    "DepthwiseConv": '''
class DepthwiseConv(nnx.Conv):
    """A kernel of its own for each channel."""

    def __init__(self, channels, kernel_size, **more):
        super().__init__(channels, channels, kernel_size, feature_group_count=channels, **more)
''',
    "ConvTranspose": '''
class ConvTranspose(nnx.ConvTranspose):
    """As in Keras: ``crop`` (before, after) is cut off each axis of the full result."""

    def __init__(self, inputs, filters, kernel_size, *, crop, kernel_dilation=1, **more):
        steps = each(kernel_dilation, len(kernel_size))
        ends = zip([(k - 1) * d for k, d in zip(kernel_size, steps)], crop)
        more |= {
            "padding": [(reach - before, reach - after) for reach, (before, after) in ends],
            "kernel_dilation": steps,
        }
        super().__init__(inputs, filters, kernel_size, transpose_kernel=True, **more)
''',
    "LSTM": _recurrent("LSTM", "run_lstm", 4, "({width},)", "gates in the order input, forget, cell, output"),
    "GRU": _recurrent("GRU", "run_gru", 3, "((2, {width}))", "a bias of the input and one of the state"),
    "SimpleRNN": _recurrent("SimpleRNN", "run_simple_rnn", 1, "({width},)", "by tanh"),
    "noise": '''
def noise(module):
    """A new key in training, none in inference."""
    return None if module.deterministic else module.rngs.noise()
''',
}
