"""Each augmentation against a reference: ImageDataGenerator, SciPy, scikit-learn, or plain arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.data.augmentation import mixing
from crosstrain.data.augmentation.augmenter import Augmenter, evaluated
from crosstrain.data.augmentation.colour import LUMA, TO_YIQ, coloured, maps
from crosstrain.data.augmentation.draws import COLUMNS, TABLE, WIDTH, Draws, Uniforms
from crosstrain.data.augmentation.geometry import centred, placed
from crosstrain.data.augmentation.normalizing import fitted, normalized
from crosstrain.training.augmentation import checked

N = 32


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Smooth ones: how two ways to read between pixels differ is then bounded."""
    y, x = np.mgrid[:24, :20]
    random = np.random.default_rng(0)
    slopes = random.uniform(-0.4, 0.4, (N, 1, 1, 3, 2))
    waves = np.sin(slopes[..., 0] * y[None, :, :, None] + slopes[..., 1] * x[None, :, :, None])
    return (0.5 + 0.4 * waves).astype(np.float32)


def draws(**columns: Any) -> Draws:
    """Draws with these numbers, a value or one for each example, and 0.5 (the middle) for all others."""
    numbers = np.full((N, WIDTH), 0.5)
    for name, value in columns.items():
        numbers[:, COLUMNS.index(name.replace("_", "-"))] = value
    return Draws(numbers)


def random_draws(epoch: int = 0) -> Draws:
    return Uniforms(seed=3, epoch=epoch).of(np.arange(N))


# -- random numbers -----------------------------------------------------------------------------
def test_the_numbers_of_an_example_are_fixed_by_seed_epoch_and_example() -> None:
    # Written down: a change here would make results of two versions incomparable.
    first = Uniforms(seed=0, epoch=0).of(np.asarray([0, 1]))
    assert first.numbers[:, 0].tolist() == [0.011546754286331562, 0.30465221566830103]
    stream = np.random.Generator(np.random.Philox(key=np.zeros(2, np.uint64))).random((2, WIDTH))
    assert np.array_equal(first.numbers, stream)
    whole = Uniforms(7, 2).of(np.arange(100)).numbers
    order = np.random.default_rng(0).permutation(100)
    assert np.array_equal(Uniforms(7, 2).of(order).numbers, whole[order])
    assert not np.intersect1d(whole, Uniforms(7, 3).of(np.arange(100)).numbers).size
    assert not np.intersect1d(whole, Uniforms(8, 2).of(np.arange(100)).numbers).size
    assert len(np.unique(whole)) == whole.size


def test_the_numbers_of_an_example_are_the_same_in_a_set_too_large_to_keep_them() -> None:
    kept = Uniforms(7, 2).of(np.asarray([5, TABLE - 1])).numbers
    alone = Uniforms(7, 2).of(np.asarray([5, TABLE - 1, TABLE])).numbers
    assert np.array_equal(alone[:2], kept)
    assert not np.array_equal(alone[2], alone[1])
    assert Uniforms(7, 2).of(np.asarray([], int)).numbers.shape == (0, WIDTH)


def test_columns_fit_and_are_told_apart() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) <= WIDTH


@pytest.mark.parametrize("a", [0.2, 1.0, 3.0])
def test_numbers_are_distributed_as_they_should_be(a: float) -> None:
    from scipy import stats

    many = Uniforms(0, 0).of(np.arange(4000))
    assert stats.kstest(many.uniform("flip"), "uniform").pvalue > 1e-3
    assert stats.kstest(many.normal(["pca-1"])[:, 0], "norm").pvalue > 1e-3
    assert stats.kstest(many.beta("mixup", a), stats.beta(a, a).cdf).pvalue > 1e-3
    counts = np.bincount(many.whole("shift-x", 9).astype(int), minlength=9)
    assert len(counts) == 9
    assert stats.chisquare(counts).pvalue > 1e-3


# -- where things go ----------------------------------------------------------------------------
MOVES: list[dict[str, Any]] = [
    {"rotate": 30}, {"shear": 20}, {"stretch": 0.2}, {"shift": 0.2},
    {"rotate": 15, "shift": 0.15, "shear": 10, "stretch": 0.1},
]  # fmt: skip


WHOLE = {"constant": "grid-constant", "wrap": "grid-wrap"}
"""SciPy's modes that blend across the edge and wrap around after the whole side, as OpenCV does."""


@pytest.mark.parametrize("fill", ["constant", "nearest", "reflect", "wrap"])
@pytest.mark.parametrize("move", MOVES, ids=["rotate", "shear", "stretch", "shift", "all"])
def test_pictures_move_as_in_keras(pictures: np.ndarray, move: dict[str, Any], fill: str) -> None:
    """OpenCV reads at 32nds of a pixel, so at most 1/64 beside the place: with slopes of at most 0.16 a pixel
    along both axes inside, 0.005; across an edge with a step of up to 0.9, 0.02 (step · 1/64 twice at most).
    """
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    square = pictures[:, :20]  # Keras centres as if height and width were exchanged
    settings, numbers = checked({**move, "fill": fill}), random_draws()
    place = placed(settings, numbers, (20, 20))
    y, x = np.mgrid[:20, :20]
    for row, picture in enumerate(square[:8]):
        keras, whole = (
            apply_affine_transform(
                picture, row_axis=0, col_axis=1, channel_axis=2, fill_mode=mode, cval=0.0,
                theta=numbers.between("rotate", move.get("rotate", 0))[row],
                tx=numbers.between("shift-x", move.get("shift", 0) * 20)[row],
                ty=numbers.between("shift-y", move.get("shift", 0) * 20)[row],
                shear=numbers.between("shear", move.get("shear", 0))[row],
                zx=1 + numbers.between("stretch-x", move.get("stretch", 0))[row],
                zy=1 + numbers.between("stretch-y", move.get("stretch", 0))[row],
            )
            for mode in (fill, WHOLE.get(fill, fill))
        )  # fmt: skip
        actual = place.picture(row, picture)
        sources = np.stack([x, y, np.ones_like(x)], axis=-1) @ place.matrices[row].T
        inside = ((sources >= 0) & (sources <= 19)).all(axis=-1)
        assert inside.mean() > 0.3
        assert np.abs(actual - keras)[inside].max() < 0.005
        assert np.abs(actual - whole).max() < 0.02


def test_flips_and_whole_shifts_lose_nothing(pictures: np.ndarray) -> None:
    settings, numbers = checked({"flip": True, "flip-vertical": True, "shift": 3}), random_draws()
    place = placed(settings, numbers, (24, 20))
    assert place.exact
    for row, picture in enumerate(pictures):
        moved = np.pad(picture, ((3, 3), (3, 3), (0, 0)))
        right, down = (int(numbers.whole(f"shift-{axis}", 7)[row]) for axis in "xy")
        moved = moved[down : down + 24, right : right + 20]
        moved = moved[:, ::-1] if numbers.uniform("flip")[row] < 0.5 else moved
        moved = moved[::-1] if numbers.uniform("flip-vertical")[row] < 0.5 else moved
        assert np.array_equal(place.picture(row, picture), moved), row


def test_zoom_keeps_the_aspect_ratio() -> None:
    place = placed({"zoom": 0.3}, random_draws(), (24, 20))
    scales = place.matrices[:, [0, 1], [0, 1]]
    assert np.array_equal(scales[:, 0], scales[:, 1])
    assert 0.7 <= scales.min() < 0.8
    assert 1.2 < scales.max() < 1.3


def test_crops_are_anywhere_in_training_and_central_in_evaluation(pictures: np.ndarray) -> None:
    place = placed({"crop": 16}, random_draws(), (24, 20))
    corners = set()
    for row, picture in enumerate(pictures):
        x, y = place.matrices[row, :, 2].astype(int)
        assert np.array_equal(place.picture(row, picture), picture[y : y + 16, x : x + 16])
        corners.add((y, x))
    assert {y for y, _ in corners} == set(range(9))
    assert {x for _, x in corners} == set(range(5))
    assert np.array_equal(evaluated({"crop": 16}, pictures, {}), pictures[:, 4:20, 2:18])
    assert centred({"crop": 16}, 1, (24, 20)).size == (16, 16)


@given(st.integers(0, 1000), st.integers(4, 15), st.integers(4, 15), st.booleans())
def test_boxes_points_and_label_maps_follow_the_picture(epoch: int, x: int, y: int, turned: bool) -> None:
    """A square of 3 × 3 pixels is where its box is, in the picture and in the label map."""
    settings = checked(
        {"flip": True, "shift": 2, "zoom": 0.2, **({"rotate": 40} if turned else {}), "crop": 18}
    )
    place = placed(settings, Uniforms(1, epoch).of(np.asarray([0])), (24, 20))
    picture, labels = np.zeros((24, 20, 1), np.float32), np.zeros((24, 20), np.uint8)
    picture[y : y + 3, x : x + 3] = 1
    labels[y : y + 3, x : x + 3] = 5
    (box,), (kept,) = place.boxes(0, np.asarray([[x, y, x + 3, y + 3]]))
    moved = place.picture(0, picture)[..., 0]
    moved_labels = place.label_map(0, labels, outside=9)
    centre = place.points(0, np.asarray([[x + 1, y + 1]]))[0]
    rows, columns = np.nonzero(moved > 0.5)
    if len(rows) == 0:
        return  # out of the picture, or no pixel of it is covered by half
    assert kept
    assert box[0] - 0.6 <= columns.min()
    assert columns.max() + 1 <= box[2] + 0.6
    assert box[1] - 0.6 <= rows.min()
    assert rows.max() + 1 <= box[3] + 0.6
    assert set(np.unique(moved_labels)) <= {0, 5, 9}
    agreement = (moved_labels == 5) == (moved > 0.5)
    assert agreement.mean() > 0.95
    # Wholly inside, its centre is that of its pixels.
    if min(rows.min(), columns.min()) > 0 and max(rows.max(), columns.max()) < 17:
        assert np.abs(centre - [columns.mean(), rows.mean()]).max() < 0.75


def test_a_box_that_leaves_the_picture_is_clipped_and_then_let_go() -> None:
    place = placed({"shift-x": 8}, draws(shift_x=0.999), (24, 20))  # the source is 8 to the right
    clipped, kept = place.boxes(0, np.asarray([[4.0, 2, 12, 6], [0, 0, 8.5, 4], [10, 10, 14, 14]]))
    assert clipped.tolist() == [[0, 2, 4, 6], [0, 0, 0.5, 4], [2, 10, 6, 14]]
    assert kept.tolist() == [True, False, True]


def test_a_label_map_of_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="not float64"):
        placed({"shift": 1}, draws(), (4, 4)).label_map(0, np.zeros((4, 4)))


# -- colours ------------------------------------------------------------------------------------
def changed(pictures: np.ndarray, settings: dict[str, Any], numbers: Draws) -> np.ndarray:
    result = pictures.copy()
    coloured(checked(settings), numbers, result, None)
    return result


def test_brightness_contrast_and_saturation_are_what_torchvision_documents(pictures: np.ndarray) -> None:
    """Blends with black, with the mean grey, and with the pixel's own grey."""
    dark = 0.3 * pictures  # nothing is clipped
    factors = 1 + 0.5 * (2 * np.linspace(0, 0.99, N) - 1)[:, None, None, None]
    numbers = np.linspace(0, 0.99, N)
    bright = changed(dark, {"brightness": 0.5}, draws(brightness=numbers))
    np.testing.assert_allclose(bright, factors * dark, atol=1e-6)
    grey = (dark @ LUMA)[..., None]
    contrast = changed(dark, {"contrast": 0.5}, draws(contrast=numbers))
    mean = grey.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(contrast, np.clip(factors * dark + (1 - factors) * mean, 0, 1), atol=1e-6)
    saturated = changed(dark, {"saturation": 0.5}, draws(saturation=numbers))
    np.testing.assert_allclose(saturated, np.clip(factors * dark + (1 - factors) * grey, 0, 1), atol=1e-6)


def test_jitter_is_the_three_at_once(pictures: np.ndarray) -> None:
    three = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3}
    assert np.array_equal(
        changed(pictures, {"jitter": 0.3}, random_draws()), changed(pictures, three, random_draws())
    )
    grey = pictures[..., :1]
    assert np.array_equal(
        changed(grey, {"jitter": 0.3}, random_draws()),
        changed(grey, {"brightness": 0.3, "contrast": 0.3}, random_draws()),
    )


def test_hue_turns_chroma_and_leaves_luminance(pictures: np.ndarray) -> None:
    dark = 0.25 + 0.1 * pictures
    turned = changed(dark, {"hue": 0.1}, draws(hue=0.9))
    np.testing.assert_allclose(turned @ LUMA, dark @ LUMA, atol=1e-5)
    before, after = (np.moveaxis(p @ TO_YIQ.T, -1, 0) for p in (dark.astype(float), turned.astype(float)))
    angle = np.angle((after[1] + 1j * after[2]) / (before[1] + 1j * before[2]))
    strong = np.hypot(before[1], before[2]) > 0.01
    np.testing.assert_allclose(angle[strong], 2 * np.pi * 0.08, atol=1e-3)


def test_a_channel_shift_adds_one_number_and_everything_is_clipped(pictures: np.ndarray) -> None:
    shifted = changed(pictures, {"channel-shift": 0.5}, draws(channel_shift=0.9))
    np.testing.assert_allclose(shifted, np.clip(pictures + 0.4, 0, 1), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_colours_of_any_number_of_channels(channels: int) -> None:
    some = np.random.default_rng(0).random((N, 5, 5, channels), np.float32)
    numbers = random_draws()
    got = changed(some, {"brightness": 0.3, "channel-shift": 0.2}, numbers)
    expected = (
        some * (1 + numbers.between("brightness", 0.3))[:, None, None, None]
        + numbers.between("channel-shift", 0.2)[:, None, None, None]
    )
    np.testing.assert_allclose(got, np.clip(expected, 0, 1), atol=1e-6)


def test_principal_colours_are_those_of_scikit_learn(pictures: np.ndarray) -> None:
    from sklearn.decomposition import PCA

    statistics = fitted(checked({"pca-colour": 0.1}), lambda: [pictures[:20], pictures[20:]], 1)
    found = statistics["colours"]
    reference = PCA().fit(pictures.reshape(-1, 3).astype(float))
    pixels = N * 24 * 20
    deviations = np.sqrt(reference.explained_variance_ * (pixels - 1) / pixels)[::-1]
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), deviations, rtol=1e-5)
    np.testing.assert_allclose(np.abs(found / deviations), np.abs(reference.components_[::-1].T), atol=1e-4)
    _, offsets = maps({"pca-colour": 0.1}, random_draws(), np.full((N, 3), 0.5), found)
    normal = random_draws().normal(["pca-1", "pca-2", "pca-3"])
    np.testing.assert_allclose(offsets, 0.1 * normal @ found.T)


# -- numbers ------------------------------------------------------------------------------------
NORMALIZING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"rescale": 2.0}, {"rescale": 2.0}),
    ({"center": True}, {"featurewise_center": True}),
    ({"standardize": True}, {"featurewise_center": True, "featurewise_std_normalization": True}),
    ({"zca": 0.01}, {"zca_whitening": True, "zca_epsilon": 0.01}),
    ({"center-sample": True}, {"samplewise_center": True}),
    ({"standardize-sample": True}, {"samplewise_center": True, "samplewise_std_normalization": True}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("ours", "keras"), NORMALIZING, ids=lambda each: next(iter(each)))
def test_numbers_become_those_of_image_data_generator(ours: dict[str, Any], keras: dict[str, Any]) -> None:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    some = np.random.default_rng(1).random((80, 4, 3, 3)).astype(np.float32)
    generator = ImageDataGenerator(**keras, dtype="float64")
    generator.fit(some)
    expected = np.stack([generator.standardize(picture.astype(np.float64)) for picture in some])
    settings = checked(ours)
    statistics = fitted(settings, lambda: [some[:50], some[50:]], 36)
    got = some.copy()
    normalized(settings, got, statistics)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


def test_whitening_makes_a_covariance_of_ones() -> None:
    some = np.random.default_rng(1).random((400, 3, 3, 2)).astype(np.float32)
    settings = checked({"standardize": True, "zca": 1e-6})
    statistics = fitted(settings, lambda: [some], 18)
    got = some.copy()
    normalized(settings, got, statistics)
    flat = got.reshape(400, -1).astype(float)
    np.testing.assert_allclose(flat.T @ flat / 400, np.eye(18), atol=1e-4)


def test_constant_channels_and_pictures_stay_finite() -> None:
    flat = np.full((4, 3, 3, 2), 0.5, np.float32)
    for name in ("standardize", "standardize-sample"):
        settings, got = checked({name: True}), flat.copy()
        normalized(settings, got, fitted(settings, lambda: [flat], 18))
        assert np.array_equal(got, np.zeros_like(got)), name


# -- taking away, mixing, all together ----------------------------------------------------------
def test_cutout_takes_a_square_around_any_pixel(pictures: np.ndarray) -> None:
    numbers = random_draws()
    cut = pictures + 1
    mixing.cut_out({"cutout": 6}, numbers, cut)
    for row, picture in enumerate(cut):
        gone = (picture == 0).all(axis=2)
        y, x = (int(numbers.whole(f"cutout-{axis}", side)[row]) for axis, side in (("y", 24), ("x", 20)))
        expected = np.zeros((24, 20), bool)
        expected[max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3] = True
        assert np.array_equal(gone, expected)


def test_mixup_mixes_pictures_and_targets_alike(pictures: np.ndarray) -> None:
    targets = np.eye(N, dtype=np.float32)
    augmenter = Augmenter(checked({"mixup": 0.4}), {}, seed=5)
    order = np.random.default_rng(0).permutation(N)
    mixed, mixed_targets = augmenter.batch({"x": pictures}, {"y": targets}, 0, order)
    kept = mixed_targets["y"][np.arange(N), order]
    assert (kept >= 0.5).all()
    assert 0.5 < kept.min() < kept.max() <= 1
    np.testing.assert_allclose(mixed_targets["y"].sum(axis=1), 1, rtol=1e-6)
    expected = np.einsum("ij,jhwc->ihwc", mixed_targets["y"], pictures)
    np.testing.assert_allclose(mixed["x"], expected, atol=1e-6)
    assert mixed["x"].dtype == mixed_targets["y"].dtype == np.float32


def test_an_augmentation_that_is_added_changes_no_other_numbers(pictures: np.ndarray) -> None:
    few = placed(checked({"rotate": 10}), random_draws(), (24, 20)).matrices
    with_colour = checked({"rotate": 10, "jitter": 0.2, "mixup": 0.2, "cutout": 3})
    assert np.array_equal(placed(with_colour, random_draws(), (24, 20)).matrices, few)


def test_a_picture_does_not_depend_on_its_batch(pictures: np.ndarray) -> None:
    settings = checked({"flip": True, "rotate": 20, "jitter": 0.3, "cutout": 4, "standardize-sample": True})
    augmenter = Augmenter(settings, {}, seed=1)
    whole, _ = augmenter.batch({"": pictures}, {}, 4, np.arange(N))
    part, _ = augmenter.batch({"": pictures}, {}, 4, np.asarray([9, 2]))
    assert np.array_equal(part[""], whole[""][[9, 2]])
    other, _ = augmenter.batch({"": pictures}, {}, 5, np.asarray([9, 2]))
    assert not np.array_equal(part[""], other[""])


def test_inputs_of_one_example_are_changed_alike(pictures: np.ndarray) -> None:
    augmenter = Augmenter(checked({"flip": True, "shift": 2}), {}, seed=3)
    both, _ = augmenter.batch({"left": pictures, "right": pictures + 1}, {}, 0, np.arange(N))
    inside = both["left"] != 0
    np.testing.assert_allclose(both["left"][inside] + 1, both["right"][inside])
