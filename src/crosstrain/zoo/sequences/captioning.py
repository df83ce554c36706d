"""Networks that describe pictures, a word after the other."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.sequences.recurrent import CELLS

PICTURE = (64, 64, 3)
STATES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}
"""What a decoder's state consists of."""


def captioner(
    input_shape: tuple[int, ...] = PICTURE, classes: int = 1000, *, cell: str = "lstm", length: int = 16,
    units: int = 256, width: float = 1.0, dropout: float = 0.0, vocabulary: int = 1000,
) -> keras.Model:  # fmt: skip
    """A convolutional encoder and a recurrent decoder, after Vinyals, Toshev, Bengio and Erhan 2015 (Show and
    Tell), section 3.

    The encoder is four convolutions of 3×3 with batch normalisation (32 to 256 maps, times ``width``), each
    halved by pooling, in place of the paper's GoogLeNet. Its features begin the decoder's state (by a dense
    layer without activation: tanh is saturated from the start), where the paper shows them to the LSTM as its
    first word. ``cell`` is ``lstm`` or ``gru``; ``dropout`` drops of the embedded words and of the decoder's
    outputs. Inputs ``picture``, (height, width, channels), and ``words``,
    (``length``,) numbers of words, 0 being padding, which is masked. Output (batch, length, classes): scores
    of the next word after each. ``ValueError`` for another cell.
    """
    if cell not in STATES:
        raise ValueError(f"cell is {' or '.join(STATES)}, not {cell!r}")
    picture = keras.Input(input_shape, name="picture")
    words = keras.Input((length,), dtype="int32", name="words")
    x = picture
    for number, maps in enumerate((32, 64, 128, 256), start=1):
        x = layers.Conv2D(scaled(maps, width), 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(layers.ReLU(name=f"relu{number}")(x))
    x = layers.Flatten(name="features")(x)
    state = [layers.Dense(units, name=name)(x) for name in STATES[cell]]
    y = layers.Embedding(vocabulary, units, mask_zero=True, name="embedding")(words)
    y = layers.Dropout(dropout, name="embedding_dropout")(y) if dropout else y
    y = CELLS[cell](units, return_sequences=True, name="decoder")(y, initial_state=state)
    y = layers.Dropout(dropout, name="decoder_dropout")(y) if dropout else y
    return keras.Model([picture, words], layers.Dense(classes, name="logits")(y), name="captioner")
