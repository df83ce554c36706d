"""Clustering: what networks find in data without its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from crosstrain.classic.competitive.self_organizing_map import SelfOrganizingMap
from crosstrain.classic.competitive.winner_takes_all import WinnerTakesAll


@dataclass(frozen=True)
class Clustered:
    """``labels`` that each network gives the samples, (n_samples,), by name, and their ``agreement`` with the
    classes that it did not see (adjusted Rand index: 1 the same, 0 by chance)."""

    labels: Mapping[str, np.ndarray]
    agreement: Mapping[str, float]


def clusterers(clusters: int, seed: int = 0) -> dict[str, Any]:
    """The networks that are compared unless others are given."""
    return {
        "winner takes all": WinnerTakesAll(clusters, random_state=seed),
        "self-organizing map": SelfOrganizingMap(1, clusters, max_iter=20, random_state=seed),
    }


def clustering(
    X: Any, classes: Any, networks: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Clustered:
    """Let each network (default: ``clusterers``, with as many clusters as there are classes) find clusters in
    standardised ``X`` (n_samples, n_features); ``classes`` (n_samples,) only judge them."""
    data = StandardScaler().fit_transform(X)
    networks = clusterers(len(np.unique(classes)), seed) if networks is None else networks
    labels = {name: np.asarray(clone(net).fit(data).predict(data)) for name, net in networks.items()}
    agreement = {name: float(adjusted_rand_score(classes, found)) for name, found in labels.items()}
    return Clustered(labels, agreement)
