"""Networks for pictures, written in the manner of tutorials. Pictures are 8 or 16 pixels wide, so that a
proof takes seconds; the layers are those of the full size."""

from __future__ import annotations

import keras
from keras import layers as kl
from keras import ops

DIGIT = (16, 16, 1)
CLASSES = 10


def classifier(x, features):
    """A model that ends in the classes of the digits."""
    return keras.Model(x, kl.Dense(CLASSES, activation="softmax")(features))


# -- convolutions -----------------------------------------------------------------------------------
def convolutional():
    """The first network of most courses."""
    return keras.Sequential(
        [
            keras.Input(DIGIT),
            kl.Conv2D(8, 3, activation="relu"),
            kl.MaxPooling2D(2),
            kl.Conv2D(16, 3, activation="relu"),
            kl.MaxPooling2D(2),
            kl.Flatten(),
            kl.Dropout(0.5),
            kl.Dense(CLASSES, activation="softmax"),
        ]
    )


def regularised():
    """BatchNorm, L2 and L1, Gaussian noise and two forms of dropout, as a lesson on overfitting has them."""
    decay = keras.regularizers.L1L2(1e-5, 1e-4)
    x = y = keras.Input(DIGIT)
    y = kl.GaussianNoise(0.1)(y)
    for width in (8, 16):
        y = kl.Conv2D(width, 3, padding="same", use_bias=False, kernel_regularizer=decay)(y)
        y = kl.MaxPooling2D()(kl.Activation("elu")(kl.BatchNormalization()(y)))
        y = kl.SpatialDropout2D(0.1)(y)
    y = kl.GaussianDropout(0.2)(kl.Dense(32, activation="selu", bias_regularizer="l2")(kl.Flatten()(y)))
    return classifier(x, kl.AlphaDropout(0.1)(y))


def augmented():
    """Random changes of the pictures as layers of the network."""
    augmentation = keras.Sequential(
        [kl.RandomRotation(0.05), kl.RandomTranslation(0.1, 0.1), kl.RandomZoom(0.1), kl.RandomContrast(0.2)],
        name="augmentation",
    )
    x = keras.Input(DIGIT)
    y = kl.Rescaling(2.0, offset=-1.0)(augmentation(x))
    y = kl.Conv2D(8, 3, strides=2, activation="relu")(y)
    return classifier(x, kl.GlobalAveragePooling2D()(kl.Conv2D(16, 3, activation="relu")(y)))


def residual():
    """Pre-activation residual blocks, with a projection where the width changes."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(8, 3, padding="same")(x)
    for width, stride in ((8, 1), (16, 2)):
        before = kl.ReLU()(kl.BatchNormalization()(y))
        short = y if stride == 1 else kl.Conv2D(width, 1, strides=stride)(before)
        y = kl.Conv2D(width, 3, strides=stride, padding="same")(before)
        y = kl.Conv2D(width, 3, padding="same")(kl.ReLU()(kl.BatchNormalization()(y)))
        y = kl.Add()([short, y])
    return classifier(x, kl.GlobalAveragePooling2D()(kl.ReLU()(kl.BatchNormalization()(y))))


def inception():
    """Branches of several sizes, joined, and a second head that learns the same target."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(8, 3, activation="relu", padding="same")(x)
    branches = [
        kl.Conv2D(4, 1, activation="relu")(y),
        kl.Conv2D(4, 3, padding="same", activation="relu")(kl.Conv2D(2, 1, activation="relu")(y)),
        kl.Conv2D(4, 5, padding="same", activation="relu")(kl.Conv2D(2, 1, activation="relu")(y)),
        kl.Conv2D(4, 1, activation="relu")(kl.MaxPooling2D(3, strides=1, padding="same")(y)),
    ]
    y = kl.Concatenate()(branches)
    early = kl.Flatten()(kl.AveragePooling2D(4)(y))
    y = kl.Conv2D(16, (1, 7), padding="same", activation="relu")(kl.AveragePooling2D(2)(y))
    y = kl.Dropout(0.4)(kl.GlobalMaxPooling2D()(y))
    outputs = [
        kl.Dense(CLASSES, activation="softmax", name=name)(each)
        for name, each in (("late", y), ("early", early))
    ]
    return keras.Model(x, outputs)


def squeeze_and_excite():
    """Channels weighted by what all of the picture says of them."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(16, 3, padding="same", activation="relu")(x)
    weights = kl.GlobalAveragePooling2D(keepdims=True)(y)
    weights = kl.Dense(16, activation="sigmoid")(kl.Dense(4, activation="relu")(weights))
    y = kl.Conv2D(16, 3, strides=2, activation="relu")(kl.Multiply()([y, weights]))
    return classifier(x, kl.GlobalAveragePooling2D()(y))


def inverted_residual():
    """Depthwise blocks with a linear bottleneck and relu6."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    for stride in (1, 2):
        z = kl.ReLU(6.0)(kl.BatchNormalization()(kl.Conv2D(24, 1, use_bias=False)(y)))
        if stride == 2:
            z = kl.ZeroPadding2D(((0, 1), (0, 1)))(z)
        z = kl.DepthwiseConv2D(3, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False)(
            z
        )
        z = kl.BatchNormalization()(kl.Conv2D(8, 1, use_bias=False)(kl.ReLU(6.0)(kl.BatchNormalization()(z))))
        y = kl.Add()([y, z]) if stride == 1 else z
    return classifier(x, kl.GlobalAveragePooling2D()(kl.Activation("hard_silu")(y)))


def separable():
    """Depthwise separable convolutions with residuals, each normalised otherwise."""
    x = keras.Input(DIGIT)
    y = kl.GroupNormalization(4)(kl.Conv2D(16, 3, strides=2, padding="same")(x))
    for norm in (kl.GroupNormalization(-1), kl.LayerNormalization(axis=[1, 2, 3]), kl.UnitNormalization()):
        z = kl.SeparableConv2D(16, 3, padding="same", depth_multiplier=2)(kl.Activation("swish")(y))
        y = y + norm(z)
    return classifier(x, kl.GlobalMaxPooling2D()(y))


class Involution(kl.Layer):
    """A kernel for each place, computed from the place itself."""

    def __init__(self, channels, groups=2, size=3, reduction=2):
        super().__init__()
        self.channels, self.groups, self.size = channels, groups, size
        self.reduce = keras.Sequential(
            [kl.Conv2D(channels // reduction, 1), kl.BatchNormalization(), kl.ReLU()], name="reduce"
        )
        self.span = kl.Conv2D(size * size * groups, 1)

    def build(self, shape):
        self.height, self.width = shape[1:3]
        self.reduce.build(shape)
        self.span.build((*shape[:-1], self.reduce.layers[0].filters))
        self.built = True

    def call(self, x):
        cells, each = self.size * self.size, self.channels // self.groups
        kernel = self.span(self.reduce(x))
        kernel = ops.reshape(kernel, (-1, self.height, self.width, cells, 1, self.groups))
        patches = ops.image.extract_patches(x, (self.size, self.size), 1, 1, padding="same")
        patches = ops.reshape(patches, (-1, self.height, self.width, cells, each, self.groups))
        y = ops.sum(kernel * patches, axis=3)
        return ops.reshape(y, (-1, self.height, self.width, self.channels))


def involution():
    x = keras.Input((8, 8, 1))
    y = kl.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = kl.MaxPooling2D()(kl.ReLU()(Involution(8)(y)))
    return classifier(x, kl.Flatten()(kl.ReLU()(Involution(8)(y))))


def conv_mixer():
    """Patches by a strided convolution, then depthwise and pointwise mixing."""
    x = keras.Input(DIGIT)
    y = kl.BatchNormalization()(kl.Activation("gelu")(kl.Conv2D(16, 2, 2)(x)))
    for _ in range(2):
        z = kl.BatchNormalization()(kl.Activation("gelu")(kl.DepthwiseConv2D(5, padding="same")(y)))
        y = kl.BatchNormalization()(kl.Activation("gelu")(kl.Conv2D(16, 1)(kl.Add()([z, y]))))
    return classifier(x, kl.GlobalAveragePooling2D()(y))


# -- patches and attention ----------------------------------------------------------------------------
class Patches(kl.Layer):
    """Pictures as rows of patches, (batch, patches, values)."""

    def __init__(self, size, **settings):
        super().__init__(**settings)
        self.size = size

    def call(self, images):
        batch, height, width, channels = ops.shape(images)
        patches = ops.image.extract_patches(images, size=self.size)
        rows = (height // self.size) * (width // self.size)
        return ops.reshape(patches, (batch, rows, self.size * self.size * channels))

    def get_config(self):
        return super().get_config() | {"size": self.size}


class PatchEncoder(kl.Layer):
    """A projection of each patch and an embedding of its place."""

    def __init__(self, patches, width):
        super().__init__()
        self.patches = patches
        self.projection = kl.Dense(width)
        self.position = kl.Embedding(patches, width)

    def call(self, patch):
        places = ops.expand_dims(ops.arange(start=0, stop=self.patches, step=1), axis=0)
        return self.projection(patch) + self.position(places)


def mlp(x, widths, rate):
    for width in widths:
        x = kl.Dropout(rate)(kl.Dense(width, activation=keras.activations.gelu)(x))
    return x


def vision_transformer():
    x = keras.Input(DIGIT)
    y = PatchEncoder(16, 16)(Patches(4)(x))
    for _ in range(2):
        z = kl.LayerNormalization(epsilon=1e-6)(y)
        z = kl.Add()([kl.MultiHeadAttention(num_heads=2, key_dim=16, dropout=0.1)(z, z), y])
        y = kl.Add()([mlp(kl.LayerNormalization(epsilon=1e-6)(z), (32, 16), 0.1), z])
    y = kl.Dropout(0.5)(kl.Flatten()(kl.LayerNormalization(epsilon=1e-6)(y)))
    return classifier(x, mlp(y, (32,), 0.5))


class StochasticDepth(kl.Layer):
    """Leaves out a whole branch for some examples."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(7)

    def call(self, x, training=None):
        if not training:
            return x
        keep = 1 - self.rate
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        drawn = keep + keras.random.uniform(shape, 0, 1, seed=self.seed_generator)
        return (x / keep) * ops.floor(drawn)


def compact_transformer():
    """A convolutional tokenizer, stochastic depth, and a pooling over the sequence that is learnt."""
    x = keras.Input(DIGIT)
    y = kl.MaxPooling2D(3, 2, "same")(kl.Conv2D(16, 3, padding="same", use_bias=False, activation="relu")(x))
    y = kl.Reshape((-1, 16))(
        kl.MaxPooling2D(3, 2, "same")(kl.Conv2D(16, 3, padding="same", activation="relu")(y))
    )
    for rate in (0.1, 0.2):
        z = kl.LayerNormalization(epsilon=1e-5)(y)
        z = y + StochasticDepth(rate)(kl.MultiHeadAttention(2, 8)(z, z))
        y = z + StochasticDepth(rate)(mlp(kl.LayerNormalization(epsilon=1e-5)(z), (16, 16), 0.1))
    y = kl.LayerNormalization(epsilon=1e-5)(y)
    weights = ops.softmax(kl.Dense(1)(y), axis=1)
    return classifier(x, ops.squeeze(ops.matmul(ops.transpose(weights, (0, 2, 1)), y), -2))


def mlp_mixer():
    """Mixes patches, then channels, by dense layers over a permuted axis."""
    x = keras.Input(DIGIT)
    y = kl.Dense(16)(Patches(4)(x))
    for _ in range(2):
        z = kl.Permute((2, 1))(kl.LayerNormalization()(y))
        z = kl.Dense(16)(kl.Dense(16, activation="gelu")(z))
        y = kl.add([y, kl.Permute((2, 1))(z)])
        y = kl.add([y, kl.Dense(16)(kl.Dense(32, activation="gelu")(kl.LayerNormalization()(y)))])
    return classifier(x, kl.Dropout(0.2)(kl.GlobalAveragePooling1D()(y)))


def shifted_windows():
    """Attention within windows, which are shifted by a roll of the picture in every second block."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(16, 2, 2)(x)
    for shift in (0, 2):
        z = ops.roll(kl.LayerNormalization()(y), shift=(-shift, -shift), axis=(1, 2))
        z = ops.reshape(
            ops.transpose(ops.reshape(z, (-1, 2, 4, 2, 4, 16)), (0, 1, 3, 2, 4, 5)), (-1, 4, 16, 16)
        )
        z = kl.MultiHeadAttention(2, 8, attention_axes=2)(z, z)
        z = ops.reshape(
            ops.transpose(ops.reshape(z, (-1, 2, 2, 4, 4, 16)), (0, 1, 3, 2, 4, 5)), (-1, 8, 8, 16)
        )
        y = y + ops.roll(z, shift=(shift, shift), axis=(1, 2))
        y = y + kl.Dense(16)(kl.Dense(32, activation="gelu")(kl.LayerNormalization()(y)))
    merged = ops.concatenate([y[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)
    return classifier(x, kl.GlobalAveragePooling2D()(kl.Dense(16)(merged)))


# -- pictures from pictures -----------------------------------------------------------------------------
def autoencoder():
    """A convolutional autoencoder."""
    x = keras.Input(DIGIT)
    y = kl.MaxPooling2D(2, padding="same")(kl.Conv2D(8, 3, activation="relu", padding="same")(x))
    y = kl.MaxPooling2D(2, padding="same")(kl.Conv2D(8, 3, activation="relu", padding="same")(y))
    y = kl.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same")(y)
    y = kl.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same")(y)
    return keras.Model(x, kl.Conv2D(1, 3, activation="sigmoid", padding="same")(y))


class Sampling(kl.Layer):
    """A draw from the posterior, and the divergence of the posterior from the prior as a loss."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=1)
        self.add_loss(1e-3 * ops.mean(divergence))
        noise = keras.random.normal(shape=ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


def variational_autoencoder():
    """Encoder and decoder are models of their own."""
    x = keras.Input(DIGIT)
    y = kl.Flatten()(kl.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x))
    mean, log_variance = kl.Dense(2, name="mean")(y), kl.Dense(2, name="log_variance")(y)
    encoder = keras.Model(x, [mean, log_variance, Sampling()([mean, log_variance])], name="encoder")
    latent = keras.Input((2,))
    y = kl.Reshape((8, 8, 8))(kl.Dense(8 * 8 * 8, activation="relu")(latent))
    y = kl.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(y)
    decoder = keras.Model(latent, y, name="decoder")
    picture = keras.Input(DIGIT)
    return keras.Model(picture, decoder(encoder(picture)[2]))


class Transposed(kl.Layer):
    """A dense layer with another's kernel, transposed, and a bias of its own."""

    def __init__(self, dense, activation=None):
        super().__init__()
        self.dense = dense
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        self.bias = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, x):
        return self.activation(ops.matmul(x, ops.transpose(self.dense.kernel)) + self.bias)


def tied_autoencoder():
    """The decoder has the encoder's weights."""
    outer, inner = kl.Dense(24, activation="selu"), kl.Dense(8, activation="selu")
    x = keras.Input((8, 8, 1))
    code = inner(outer(kl.Flatten()(x)))
    y = Transposed(outer, "sigmoid")(Transposed(inner, "selu")(code))
    return keras.Model(x, kl.Reshape((8, 8, 1))(y))


def u_net():
    """A U-Net that says of each pixel whether it is ink."""
    x = y = keras.Input(DIGIT)
    skips = []
    for width in (4, 8):
        for _ in range(2):
            y = kl.ReLU()(kl.BatchNormalization()(kl.Conv2D(width, 3, padding="same")(y)))
        skips.append(y)
        y = kl.MaxPooling2D()(y)
    y = kl.Dropout(0.3)(kl.Conv2D(16, 3, padding="same", activation="relu")(y))
    for width, skip in zip((8, 4), reversed(skips), strict=True):
        y = kl.Concatenate()([kl.Conv2DTranspose(width, 2, strides=2)(y), skip])
        y = kl.Conv2D(width, 3, padding="same", activation="relu")(y)
    return keras.Model(x, kl.Conv2D(2, 1, activation="softmax")(y))


def atrous_segmentation():
    """Dilated convolutions at several rates, joined, and bilinear upsampling."""
    x = keras.Input(DIGIT)
    y = kl.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    pooled = kl.UpSampling2D(8, interpolation="bilinear")(kl.Conv2D(4, 1)(kl.AveragePooling2D(8)(y)))
    rates = [kl.Conv2D(4, 3, dilation_rate=rate, padding="same", activation="relu")(y) for rate in (1, 2, 4)]
    y = kl.Conv2D(8, 1, activation="relu")(kl.Concatenate()([pooled, *rates]))
    return keras.Model(x, kl.Conv2D(2, 1)(kl.UpSampling2D(2, interpolation="bilinear")(y)))


class DepthToSpace(kl.Layer):
    """Channels become pixels."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def call(self, x):
        batch, height, width, depth = ops.shape(x)
        left = depth // self.block**2
        x = ops.reshape(x, [batch, height, width, self.block, self.block, left])
        x = ops.transpose(x, [0, 1, 3, 2, 4, 5])
        return ops.reshape(x, [batch, height * self.block, width * self.block, left])


def super_resolution():
    """Twice the pixels, for pictures of any size."""
    x = keras.Input((None, None, 1))
    settings = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    y = kl.Conv2D(16, 5, **settings)(x)
    y = kl.Conv2D(8, 3, **settings)(kl.Conv2D(16, 3, **settings)(y))
    return keras.Model(x, DepthToSpace(2)(kl.Conv2D(4, 3, **settings)(y)))


# -- pairs and scenes ---------------------------------------------------------------------------------
def distance(vectors):
    x, y = vectors
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x - y), axis=1, keepdims=True), keras.backend.epsilon()))


def siamese():
    """One embedding for two pictures, and the distance between them."""
    x = keras.Input((8, 8, 1))
    y = kl.AveragePooling2D(2)(kl.Conv2D(4, 3, activation="tanh")(kl.BatchNormalization()(x)))
    embedding = keras.Model(x, kl.Dense(10, activation="tanh")(kl.BatchNormalization()(kl.Flatten()(y))))
    pair = [keras.Input((8, 8, 1), name=name) for name in ("left", "right")]
    apart = kl.Lambda(distance, output_shape=(1,))([embedding(each) for each in pair])
    return keras.Model(pair, kl.Dense(1, activation="sigmoid")(kl.BatchNormalization()(apart)))


def contrastive(y_true, y_pred):
    """Pulls equal pairs (0) together, and pushes others (1) apart up to a margin of 1."""
    return ops.mean((1 - y_true) * ops.square(y_pred) + y_true * ops.square(ops.maximum(1 - y_pred, 0)))


def captcha():
    """Several digits in a picture, read column by column by a recurrent network (without CTC)."""
    x = keras.Input((8, 24, 1))
    y = kl.MaxPooling2D((2, 2))(kl.Conv2D(8, 3, activation="relu", padding="same")(x))
    y = kl.MaxPooling2D((2, 4))(kl.Conv2D(16, 3, activation="relu", padding="same")(y))
    y = kl.Reshape((3, 32))(kl.Permute((2, 1, 3))(y))
    y = kl.Bidirectional(kl.LSTM(16, return_sequences=True, dropout=0.25))(kl.Dense(16, activation="relu")(y))
    return keras.Model(x, kl.Dense(CLASSES, activation="softmax")(y))


def bag_of_pictures():
    """Several instances learnt together: which of them counts is decided by gated attention."""
    x = keras.Input((4, 8, 8, 1))
    embedded = kl.TimeDistributed(keras.Sequential([kl.Flatten(), kl.Dense(16, activation="relu")]))(x)
    gate = kl.Dense(8, activation="tanh")(embedded) * kl.Dense(8, activation="sigmoid")(embedded)
    weights = kl.Softmax(axis=1)(kl.Dense(1, use_bias=False)(gate))
    return keras.Model(x, kl.Dense(1, activation="sigmoid")(ops.sum(weights * embedded, axis=1)))


def radiance_field():
    """Colours of a picture from places, through a positional encoding and a skip."""
    x = keras.Input((2,))
    waves = [f(2.0**i * 3.14159 * x) for i in range(6) for f in (ops.sin, ops.cos)]
    encoded = y = ops.concatenate([x, *waves], axis=-1)
    for i in range(5):
        y = kl.Dense(24, activation="relu")(y)
        if i == 2:
            y = kl.concatenate([y, encoded])
    return keras.Model(x, kl.Dense(3, activation="sigmoid")(y))
