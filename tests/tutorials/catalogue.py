"""The tutorials: the network, the data that it learns, and its loss where the default does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.tutorials import data

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Tutorial:
    """``file.function`` builds the network; ``arrays`` makes its data; ``loss`` is Keras's name, or the
    function of the same file that is one."""

    file: str
    function: str
    arrays: Callable[[], data.Arrays]
    loss: str | None = None

    @property
    def network(self) -> str:
        return f"{FOLDER / self.file}.py:{self.function}"

    @property
    def asked_loss(self) -> str | None:
        """The loss as the public functions take it."""
        return None if self.loss is None else self.loss.replace(".py", f"{FOLDER}/{self.file}.py")


def rows(file: str, *tutorials: tuple[str, Callable[[], data.Arrays]], **losses: str) -> list[Tutorial]:
    return [Tutorial(file, function, arrays, losses.get(function)) for function, arrays in tutorials]


TUTORIALS = {
    tutorial.function: tutorial
    for tutorial in [
        *rows(
            "pictures",
            ("convolutional", data.numbers),
            ("regularised", data.numbers),
            ("augmented", data.numbers),
            ("residual", data.numbers),
            ("inception", data.numbers),
            ("squeeze_and_excite", data.numbers),
            ("inverted_residual", data.numbers),
            ("separable", data.numbers),
            ("involution", data.small_numbers),
            ("conv_mixer", data.numbers),
            ("vision_transformer", data.numbers),
            ("compact_transformer", data.numbers),
            ("mlp_mixer", data.numbers),
            ("shifted_windows", data.numbers),
            ("autoencoder", data.themselves),
            ("variational_autoencoder", data.themselves),
            ("tied_autoencoder", data.small_themselves),
            ("u_net", data.ink),
            ("atrous_segmentation", data.ink),
            ("super_resolution", data.enlarged),
            ("siamese", data.pairs),
            ("captcha", data.strips),
            ("bag_of_pictures", data.bags),
            ("radiance_field", data.colours),
            siamese=".py:contrastive",
            autoencoder="binary_crossentropy",
        ),
        *rows(
            "texts",
            ("reviews", data.topics),
            ("tagger", data.tags),
            ("addition", data.sums),
            ("character_translation", data.reversals),
            ("attentive_translation", data.translations),
            ("memory_network", data.questions),
            ("sentence_convolutions", data.topics),
            ("bag_of_words", data.topics),
            ("masked_average", data.topics),
            ("transformer", data.topics),
            ("language_model", data.characters),
            ("translation_transformer", data.translations),
            ("fourier_mixing", data.topics),
            ("gated_mlp", data.topics),
            ("mixture_of_experts", data.topics),
        ),
        *rows(
            "tables_and_signals",
            ("wide_and_deep", data.wide_and_deep),
            ("deep_and_cross", data.tumours),
            ("tab_transformer", data.mixed),
            ("structured", data.mixed),
            ("recommender", data.ratings),
            ("variable_selection", data.diabetes),
            ("decision_forest", data.wine),
            ("several_tasks", data.wine_twice),
            ("endpoint", data.diabetes),
            ("distribution", data.diabetes),
            ("subclassed", data.wine),
            ("series_convolutions", data.shapes_of_waves),
            ("series_transformer", data.shapes_of_waves),
            ("dilated_causal", data.next_values),
            ("temporal_convolutions", data.last_value),
            ("anomaly", data.same_waves),
            ("speaker", data.shapes_of_waves),
            ("next_frame", data.next_frames),
            ("film", data.directions),
            ("volumes", data.volumes),
            ("graph_convolutions", data.graphs),
            ("graph_attention", data.graphs),
            ("point_cloud", data.clouds),
            distribution=".py:likelihood",
            recommender="binary_crossentropy",
        ),
    ]
}

REFUSED = {
    "texts.py:raw_text": "text",
    "texts.py:stateful": "stateful",
    "texts.py:tiled_mask": "leave the batch to broadcasting",
    "tables_and_signals.py:words_in_a_table": "text",
    "tables_and_signals.py:adversary": "train_step",
    "tables_and_signals.py:distiller": "compute_loss",
}
"""Networks that crosstrain does not train, and what its sentence must name."""
