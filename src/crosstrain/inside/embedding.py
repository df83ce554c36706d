"""Features of many examples in the plane, by scikit-learn."""

from __future__ import annotations

import numpy as np

from crosstrain.errors import CrosstrainError

EMBEDDINGS = ("t-sne", "pca")
FEWEST = 5
PERPLEXITY = 30.0


def embedded(features: np.ndarray, how: str, seed: int = 0) -> np.ndarray:
    """(N, F) as (N, 2): by t-SNE (van der Maaten and Hinton 2008; begun from the principal components,
    perplexity 30, or a third of few examples) or ``pca``, the first two principal components."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if how not in EMBEDDINGS:
        raise CrosstrainError(f"there is no embedding {how!r}; there are {', '.join(EMBEDDINGS)}")
    if len(features) < FEWEST or features.shape[1] < 2:
        raise CrosstrainError(
            f"an embedding takes at least {FEWEST} examples of 2 features, not {len(features)} of "
            f"{features.shape[1]}"
        )
    if how == "pca":
        return np.asarray(PCA(2, svd_solver="full").fit_transform(features))
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return np.asarray(TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(features))
