"""Pictures: what is on them is held against arrays; how they look was looked at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_iris

from crosstrain.classic import LVQ, SelfOrganizingMap, pictures
from crosstrain.classic.pictures import canvas, decision, maps
from crosstrain.classic.pictures.filters import tiles
from crosstrain.classic.pictures.recall import some

STEPS = np.array([[1.0, -1, -1, 1, -1, 1], [1, -1, -1, 1, 1, 1], [1, 1, -1, 1, 1, 1]])
"""A pattern of 2 × 3 in three steps."""


def opened(file: Path) -> np.ndarray:
    image = cv2.imread(str(file))
    assert image is not None
    return np.asarray(image)


def share(image: np.ndarray, colour: str) -> float:
    """The part of the pixels that have nearly this colour."""
    return float((np.abs(image.astype(int) - canvas.bgr(colour)).max(axis=2) < 12).mean())


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    """Petals' lengths and widths, and the names."""
    data = load_iris()
    return data.data[:, 2:], data.target_names[data.target]


@pytest.fixture(scope="module")
def som(iris: tuple[np.ndarray, np.ndarray]) -> SelfOrganizingMap:
    return SelfOrganizingMap(4, 6, topology="hexagonal", max_iter=5, random_state=0).fit(iris[0])


def test_regions_are_the_classes_at_their_points() -> None:
    net = LVQ(prototypes_per_class=1, init=[[0.0, 0.0], [2.0, 0.0]], learning_rate=1e-9)
    net.partial_fit([[0.0, 0.0], [2.0, 0.0]], ["left", "right"])
    areas = decision.regions(net, np.array([-1.0, -1.0]), np.array([3.0, 1.0]), side=8)
    np.testing.assert_array_equal(areas, [[0] * 4 + [1] * 4] * 8)


def test_a_plane_s_first_row_is_its_top() -> None:
    x, y = canvas.grid(np.array([0.0, 10.0]), np.array([4.0, 12.0]), 4, 2)
    assert x.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert y.tolist() == [11.5, 10.5]


def test_a_decision_boundary(iris: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    X, y = iris
    net = LVQ("generalised", max_iter=5, random_state=0).fit(X, y)
    image = opened(pictures.decision_boundary(net, X, y, tmp_path / "boundary.png"))
    assert image.shape[0] > 2 * decision.SIDE
    for colour in canvas.CLASSES[:3]:
        assert share(image, colour) > 0.0005
    with pytest.raises(ValueError, match=r"drawn over two features; X has the shape \(150, 1\)"):
        pictures.decision_boundary(net, X[:, :1], y, tmp_path / "none.png")


def test_maps(iris: tuple[np.ndarray, np.ndarray], som: SelfOrganizingMap, tmp_path: Path) -> None:
    X, y = iris
    for file in (
        pictures.u_matrix(som, tmp_path / "u.png"),
        pictures.hit_map(som, X, tmp_path / "hits.png", y=y),
        pictures.component_planes(som, tmp_path / "planes.png", names=["length", "width"]),
    ):
        image = opened(file)
        # Of the colours' scale both ends are there, in units large enough to see.
        assert share(image, "#440154") > 0.002
        assert share(image, "#fde725") > 0.002
    with pytest.raises(ValueError, match="the map has 2 features, and there are 1 names"):
        pictures.component_planes(som, tmp_path / "none.png", names=["one"])


def test_each_unit_has_its_most_frequent_label() -> None:
    labels = maps.most_frequent(np.array([0, 0, 0, 2]), np.array(["b", "a", "b", "c"]), 3)
    assert labels == ["b", "", "c"]


def test_errors_and_energies(tmp_path: Path) -> None:
    bowl = lambda w: float((w**2).sum())
    walk = np.array([[2.0, 1.0], [1.0, 0.5], [0.1, 0.0]])
    files = [
        pictures.error_surface(bowl, {"gd": walk}, tmp_path / "surface.png"),
        pictures.energy_landscape(bowl, {"a": walk / 3}, tmp_path / "landscape.png"),
    ]
    for file in files:
        image = opened(file)
        assert share(image, "#440154") > 0.01  # the valley
        assert share(image, "#d55e00") > 0.0005  # the path
    curve = opened(pictures.error_curve(bowl, {"gd": walk[:, 0]}, tmp_path / "curve.png"))
    assert share(curve, "#8a939d") > 0.0005
    course = opened(pictures.energy_course({"a": [3.0, 1.0, 1.0]}, tmp_path / "course.png"))
    assert share(course, canvas.CLASSES[0]) > 0.0005


def test_paths_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the path of 'gd' must have the shape \(steps, 2\), not \(4, 3\)"):
        pictures.error_surface(lambda w: 0.0, {"gd": np.zeros((4, 3))}, tmp_path / "none.png")
    with pytest.raises(ValueError, match="at least one rule"):
        pictures.error_curve(lambda w: 0.0, {}, tmp_path / "none.png")


def test_a_slice_leaves_the_other_weights() -> None:
    cut = pictures.slice_through(lambda w: float(w @ [1, 10, 100]), np.array([1.0, 2.0, 3.0]), (0, 2))
    assert cut(np.array([5.0, 6.0])) == 5 + 20 + 600


def test_recall_in_a_row_and_moving(tmp_path: Path) -> None:
    still = opened(pictures.recall(STEPS, (2, 3), tmp_path / "still.png", energies=[3.0, 2.0, 1.0]))
    assert share(still, "#1e1e1e") > 0.05
    gif = pictures.recall(STEPS, (2, 3), tmp_path / "moving.gif", energies=[3.0, 2.0, 1.0], seconds=0.2)
    complete, animation = cv2.imreadanimation(str(gif))
    assert complete
    assert np.ravel(animation.durations).tolist() == [200, 200, 600]
    dark = [float((np.asarray(each)[..., :3].max(axis=2) < 60).mean()) for each in animation.frames]
    per_cell = [share / (step > 0).sum() for share, step in zip(dark, STEPS, strict=True)]
    assert max(per_cell) / min(per_cell) < 1.1  # as many dark cells as units that are on


def test_recall_as_a_page_has_all_inside(tmp_path: Path) -> None:
    page = pictures.recall(STEPS, (2, 3), tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "<script src=" not in page


def test_steps_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the steps must have the shape \(steps, 4\), not \(3, 6\)"):
        pictures.recall(STEPS, (2, 2), tmp_path / "none.png")
    with pytest.raises(ValueError, match="there are 3 steps and 2 energies"):
        pictures.recall(STEPS, (2, 3), tmp_path / "none.png", energies=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.html, not '\.bmp'"):
        pictures.recall(STEPS, (2, 3), tmp_path / "none.bmp")


def test_a_subtitle_without_a_title_is_drawn(tmp_path: Path) -> None:
    cities = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for title in ("", "Three cities"):
        drawn = pictures.tour(cities, np.arange(3), tmp_path / "t.svg", title=title, subtitle="the shortest")
        assert "the shortest" in drawn.read_text()


def test_long_courses_show_their_ends() -> None:
    assert some(3, 12) == [0, 1, 2]
    assert some(100, 5) == [0, 25, 50, 74, 99]


def test_filters(tmp_path: Path) -> None:
    weights = np.stack([np.full(6, 1.0), np.full(6, -0.1), np.zeros(6)])
    np.testing.assert_array_equal(tiles(weights, (2, 3), 2)[1:3, 1:4], np.ones((2, 3)))
    image = opened(pictures.filters(weights, (2, 3), tmp_path / "filters.png", columns=3))
    # 6 of the field's 4 × 13 cells each; title and edges take a fifth of the picture.
    assert share(image, "#d55e00") == pytest.approx(0.8 * 6 / 52, rel=0.1)
    assert share(image, "#0072b2") == pytest.approx(share(image, "#d55e00"), rel=0.01)
    with pytest.raises(ValueError, match=r"must have the shape \(units, 4\), not \(3, 6\)"):
        pictures.filters(weights, (2, 2), tmp_path / "none.png")
