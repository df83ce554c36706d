"""Networks for texts, written in the manner of tutorials: words are whole numbers, of which 0 pads."""

from __future__ import annotations

import keras
from keras import layers as kl
from keras import ops

LENGTH, WORDS = 24, 64
TOPICS = 4


def text():
    return keras.Input((LENGTH,), dtype="int32")


def topics(x, features):
    return keras.Model(x, kl.Dense(TOPICS, activation="softmax")(features))


# -- recurrent ------------------------------------------------------------------------------------
def reviews():
    """Two LSTMs, both ways, over an embedding that masks the padding."""
    x = text()
    y = kl.Embedding(WORDS, 16, mask_zero=True)(x)
    y = kl.Bidirectional(kl.LSTM(8, return_sequences=True))(y)
    return topics(x, kl.Bidirectional(kl.LSTM(8))(y))


def tagger():
    """A class for each character, from a GRU both ways."""
    x = text()
    y = kl.SpatialDropout1D(0.1)(kl.Embedding(WORDS, 16)(x))
    y = kl.Bidirectional(kl.GRU(8, return_sequences=True, recurrent_dropout=0.1))(y)
    return keras.Model(x, kl.TimeDistributed(kl.Dense(3, activation="softmax"))(y))


def addition():
    """Reads a sum, one-hot by character, and writes its result: an encoder, its vector repeated, a
    decoder."""
    return keras.Sequential(
        [
            keras.Input((5, 12)),
            kl.LSTM(24),
            kl.RepeatVector(3),
            kl.LSTM(24, return_sequences=True),
            kl.Dense(12, activation="softmax"),
        ]
    )


def character_translation():
    """Encoder and decoder of one-hot characters; the encoder's states start the decoder."""
    source, target = keras.Input((8, 12), name="source"), keras.Input((6, 12), name="target")
    _, hidden, cell = kl.LSTM(16, return_state=True)(source)
    y, _, _ = kl.LSTM(16, return_sequences=True, return_state=True)(target, initial_state=[hidden, cell])
    return keras.Model([source, target], kl.Dense(12, activation="softmax")(y))


def attentive_translation():
    """A decoder that attends to the encoder's outputs by an additive score; the padding is masked."""
    source = keras.Input((LENGTH,), dtype="int32", name="source")
    target = keras.Input((8,), dtype="int32", name="target")
    encoded, state = kl.GRU(16, return_sequences=True, return_state=True)(
        kl.Embedding(WORDS, 16, mask_zero=True)(source)
    )
    decoded = kl.GRU(16, return_sequences=True)(kl.Embedding(WORDS, 16)(target), initial_state=state)
    context = kl.AdditiveAttention()([decoded, encoded])
    y = kl.Dense(16, activation="tanh", use_bias=False)(kl.Concatenate()([context, decoded]))
    return keras.Model([source, target], kl.Dense(WORDS)(y))


def memory_network():
    """A story and a question, matched by a dot product over the story, and read by an LSTM."""
    story = keras.Input((LENGTH,), dtype="int32", name="story")
    question = keras.Input((6,), dtype="int32", name="question")
    asked = kl.Dropout(0.3)(kl.Embedding(WORDS, 16)(question))
    stored = kl.Dropout(0.3)(kl.Embedding(WORDS, 16)(story))
    match = kl.Activation("softmax")(kl.Dot(axes=(2, 2))([stored, asked]))
    response = kl.Permute((2, 1))(kl.add([match, kl.Embedding(WORDS, 6)(story)]))
    y = kl.LSTM(16)(
        kl.concatenate([kl.Permute((1, 2))(response), kl.Dense(LENGTH)(asked)], axis=-1)[:, :, :24]
    )
    return keras.Model([story, question], kl.Dense(TOPICS, activation="softmax")(kl.Dropout(0.3)(y)))


# -- convolutions and pooling -----------------------------------------------------------------------
def sentence_convolutions():
    """Convolutions of several widths over a sentence, each pooled to its largest value."""
    x = text()
    y = kl.Dropout(0.5)(kl.Embedding(WORDS, 16)(x))
    pooled = [kl.GlobalMaxPooling1D()(kl.Conv1D(8, width, activation="relu")(y)) for width in (3, 4, 5)]
    return topics(x, kl.Dropout(0.5)(kl.Concatenate()(pooled)))


def bag_of_words():
    """Counts of words, by a category encoding within the network."""
    x = text()
    y = kl.CategoryEncoding(num_tokens=WORDS, output_mode="count")(x)
    return topics(x, kl.Dropout(0.5)(kl.Dense(16, activation="relu")(y)))


def masked_average():
    """The average of the words that are no padding."""
    x = text()
    y = kl.GlobalAveragePooling1D()(kl.Embedding(WORDS, 16, mask_zero=True)(x))
    return topics(x, kl.Dense(16, activation="relu")(y))


# -- transformers -----------------------------------------------------------------------------------
class TokenAndPosition(kl.Layer):
    """The sum of an embedding of the words and one of their places."""

    def __init__(self, length, words, width):
        super().__init__()
        self.token_emb = kl.Embedding(input_dim=words, output_dim=width)
        self.pos_emb = kl.Embedding(input_dim=length, output_dim=width)

    def call(self, x):
        places = ops.arange(start=0, stop=ops.shape(x)[-1], step=1)
        return self.token_emb(x) + self.pos_emb(places)


class Encoder(kl.Layer):
    """A block of a transformer with its norms behind the residuals."""

    def __init__(self, width, heads, inner, rate=0.1):
        super().__init__()
        self.att = kl.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.ffn = keras.Sequential([kl.Dense(inner, activation="relu"), kl.Dense(width)])
        self.layernorm1 = kl.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = kl.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = kl.Dropout(rate), kl.Dropout(rate)

    def call(self, inputs, training=None):
        attended = self.dropout1(self.att(inputs, inputs), training=training)
        out1 = self.layernorm1(inputs + attended)
        return self.layernorm2(out1 + self.dropout2(self.ffn(out1), training=training))


def transformer():
    x = text()
    y = kl.GlobalAveragePooling1D()(Encoder(16, 2, 32)(TokenAndPosition(LENGTH, WORDS, 16)(x)))
    y = kl.Dropout(0.1)(kl.Dense(20, activation="relu")(kl.Dropout(0.1)(y)))
    return topics(x, y)


def causal_mask(length):
    """A lower triangle, for all examples."""
    i, j = ops.arange(length)[:, None], ops.arange(length)
    return ops.reshape(ops.cast(i >= j, "bool"), [1, length, length])


class Decoder(kl.Layer):
    """A block that sees only what came before, by a mask of its own making."""

    def __init__(self, width, heads, inner):
        super().__init__()
        self.att = kl.MultiHeadAttention(heads, width)
        self.ffn = keras.Sequential([kl.Dense(inner, activation="gelu"), kl.Dense(width)])
        self.first, self.last = kl.LayerNormalization(epsilon=1e-6), kl.LayerNormalization(epsilon=1e-6)

    def call(self, inputs):
        mask = causal_mask(ops.shape(inputs)[1])
        y = self.first(inputs + self.att(inputs, inputs, attention_mask=mask))
        return self.last(y + self.ffn(y))


def language_model():
    """A small generative transformer: the next character at each place."""
    x = text()
    return keras.Model(x, kl.Dense(WORDS)(Decoder(16, 2, 32)(TokenAndPosition(LENGTH, WORDS, 16)(x))))


class Positional(kl.Layer):
    """Scaled words plus sines of their places; hands the mask of its embedding on."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.embedding = kl.Embedding(WORDS, width, mask_zero=True)

    def compute_mask(self, *args, **kwargs):
        return self.embedding.compute_mask(*args, **kwargs)

    def call(self, x):
        places = ops.cast(ops.arange(ops.shape(x)[1]), "float32")[:, None]
        rates = ops.exp(-9.21 * ops.arange(0, self.width, 2, dtype="float32") / self.width)
        waves = ops.concatenate([ops.sin(places * rates), ops.cos(places * rates)], axis=-1)
        return self.embedding(x) * ops.sqrt(ops.cast(self.width, "float32")) + waves


def translation_transformer():
    """Encoder and decoder with cross attention; masks go into the attention by themselves."""
    source = keras.Input((LENGTH,), dtype="int32", name="source")
    target = keras.Input((8,), dtype="int32", name="target")
    y = Positional(16)(source)
    y = kl.LayerNormalization()(kl.Add()([y, kl.MultiHeadAttention(2, 8)(query=y, value=y, key=y)]))
    encoded = kl.LayerNormalization()(kl.Add()([y, kl.Dense(16)(kl.Dense(32, activation="relu")(y))]))
    z = kl.Embedding(WORDS, 16)(target)
    z = kl.LayerNormalization()(z + kl.MultiHeadAttention(2, 8)(z, z, use_causal_mask=True))
    z = kl.LayerNormalization()(z + kl.MultiHeadAttention(2, 8)(query=z, value=encoded, key=encoded))
    return keras.Model([source, target], kl.Dense(WORDS)(z))


class Fourier(kl.Layer):
    """Mixes words and features by the real part of a Fourier transform."""

    def __init__(self, width):
        super().__init__()
        self.ffn = keras.Sequential([kl.Dense(32, activation="gelu"), kl.Dropout(0.1), kl.Dense(width)])
        self.first, self.last = kl.LayerNormalization(epsilon=1e-6), kl.LayerNormalization(epsilon=1e-6)

    def call(self, inputs):
        real, _ = ops.fft2((inputs, ops.zeros_like(inputs)))
        y = self.first(inputs + real)
        return self.last(y + self.ffn(y))


def fourier_mixing():
    x = text()
    y = Fourier(16)(TokenAndPosition(LENGTH, WORDS, 16)(x))
    return topics(x, kl.Dropout(0.5)(kl.GlobalMaxPooling1D()(y)))


class SpatialGate(kl.Layer):
    """Half of the channels gate the others, after a dense layer over the places."""

    def __init__(self, length, width):
        super().__init__()
        self.up = kl.Dense(2 * width, activation="gelu")
        self.down = kl.Dense(width)
        self.normalize = kl.LayerNormalization(epsilon=1e-6)
        self.spatial = kl.Dense(length, bias_initializer="ones")

    def call(self, x):
        u, v = ops.split(self.up(self.normalize(x)), indices_or_sections=2, axis=-1)
        v = ops.transpose(self.spatial(ops.transpose(v, axes=(0, 2, 1))), axes=(0, 2, 1))
        return x + self.down(u * v)


def gated_mlp():
    x = text()
    y = SpatialGate(LENGTH, 16)(SpatialGate(LENGTH, 16)(kl.Embedding(WORDS, 16)(x)))
    return topics(x, kl.GlobalAveragePooling1D()(y))


class Experts(kl.Layer):
    """Each word goes through the experts by the router's probabilities; a loss asks for even use of them."""

    def __init__(self, experts, width):
        super().__init__()
        self.router = kl.Dense(experts)
        self.experts = [kl.Dense(width, activation="relu") for _ in range(experts)]

    def call(self, x):
        probabilities = ops.softmax(self.router(x), axis=-1)
        chosen = ops.one_hot(ops.argmax(probabilities, axis=-1), len(self.experts))
        density, proxy = ops.mean(chosen, axis=(0, 1)), ops.mean(probabilities, axis=(0, 1))
        self.add_loss(1e-2 * len(self.experts) ** 2 * ops.mean(density * proxy))
        outputs = ops.stack([expert(x) for expert in self.experts], axis=-2)
        return ops.einsum("blew,ble->blw", outputs, chosen * probabilities)


def mixture_of_experts():
    x = text()
    y = TokenAndPosition(LENGTH, WORDS, 16)(x)
    y = kl.LayerNormalization()(y + kl.MultiHeadAttention(2, 8)(y, y))
    return topics(x, kl.GlobalAveragePooling1D()(kl.LayerNormalization()(y + Experts(4, 16)(y))))


# -- what is refused ----------------------------------------------------------------------------------
def raw_text():
    """A text itself as the input."""
    x = keras.Input((1,), dtype="string")
    vectorize = kl.TextVectorization(max_tokens=20, output_sequence_length=6, vocabulary=["a", "b", "c"])
    return keras.Model(x, kl.Dense(2)(kl.GlobalMaxPooling1D()(kl.Embedding(20, 4)(vectorize(x)))))


class Tiled(kl.Layer):
    """Repeats a mask for each example."""

    def call(self, x):
        repeats = ops.concatenate([ops.expand_dims(ops.shape(x)[0], -1), ops.convert_to_tensor([1, 1])], 0)
        return x * ops.tile(ops.ones((1, 24, 1)), repeats)


def tiled_mask():
    x = keras.Input((LENGTH, 1))
    return keras.Model(x, kl.Dense(1)(Tiled()(x)))


def stateful():
    """A state that goes from batch to batch."""
    x = keras.Input(batch_shape=(8, 6, 3))
    return keras.Model(x, kl.Dense(1)(kl.LSTM(4, stateful=True)(x)))
