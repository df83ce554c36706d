"""The export format ``keras``: the model with its trained weights, as Keras saves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crosstrain.exchange.formats import Arrays, Opened, Source


def write(source: Source, path: Path) -> None:
    """The model that defined the network (or, of a network from elsewhere, one made of its graph)."""
    from crosstrain.runs.restored import restored

    restored(source.folder, source.weights, str(source.folder)).save(path)


def opened(path: Path, source: Source) -> Opened:
    """Loaded by a Keras that knows nothing of crosstrain but the layers that the file names."""
    import keras

    import crosstrain.graph.keras_layers  # noqa: F401  (registers the layers that Keras lacks)

    model = keras.models.load_model(path)
    names = list(source.graph.outputs)

    def predict(inputs: Arrays) -> Arrays:
        model_inputs = (
            {n.split(":")[0]: inputs[n] for n in inputs} if len(inputs) > 1 else next(iter(inputs.values()))
        )
        outputs = model.predict(model_inputs, verbose=0)
        if isinstance(outputs, dict):
            return {name: np.asarray(outputs[name]) for name in names}
        several = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {name: np.asarray(value) for name, value in zip(names, several, strict=True)}

    return predict
