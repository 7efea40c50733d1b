"""The measures of crosshatch, specks and frame: on planted faults, on paintings and on photographs."""

import numpy as np
import pytest

from nst_tf.evaluation import artefacts
from nst_tf.pictures import images, samples

SIDE_PX = 320
CALM = ("temple", "great-wave", "composition-viii", "ejiri", "redon", "cat", "coffee", "flower", "skylab", "astronaut")


def picture(name):
    return images.load(samples.path(name), max_side_px=SIDE_PX).pixels


def grid(shape, period_px, levels):
    """Waves along both axes, [1, H, W, 1]."""
    y, x = np.meshgrid(*(np.arange(side) for side in shape[1:3]), indexing="ij")
    waves = np.sin(2 * np.pi * y / period_px) + np.sin(2 * np.pi * x / period_px)
    return (levels / 255 * waves)[np.newaxis, ..., np.newaxis]


def with_crosshatch(pixels, levels, period_px=3.2):
    return (pixels + grid(pixels.shape, period_px, levels)).clip(0, 1)


def with_specks(pixels, of_1000, *, seed=0):
    generator = np.random.default_rng(seed)
    chosen = generator.random(pixels.shape[1:3]) < of_1000 / 1000
    marked = pixels.copy()
    marked[0, chosen] = np.where(generator.random([chosen.sum(), 3]) < 0.5, 0, 1)
    return marked


def with_frame(pixels, levels):
    marked = pixels.copy()
    for edge in (np.s_[:, :3], np.s_[:, -3:], np.s_[:, :, :3], np.s_[:, :, -3:]):
        marked[edge] -= levels / 255
    return marked.clip(0, 1)


@pytest.mark.parametrize("name", ["temple", "great-wave", "redon"])
@pytest.mark.parametrize(
    ("plant", "fault"), [(with_crosshatch, "crosshatch"), (with_specks, "specks"), (with_frame, "frame")]
)
def test_more_of_a_planted_fault_measures_more_and_none_measures_nothing(name, plant, fault):
    clean = picture(name)
    measured = [
        getattr(artefacts.measure(pixels.astype(np.float32), clean, clean), fault)
        for pixels in (clean, *(plant(clean, strength) for strength in (3, 6, 12)))
    ]
    assert measured[0] == 0
    assert measured == sorted(measured)
    assert measured[1] < measured[2] < measured[3]


@pytest.mark.parametrize(
    ("plant", "fault"), [(with_crosshatch, "crosshatch"), (with_specks, "specks"), (with_frame, "frame")]
)
def test_a_planted_fault_counts_in_its_own_measure_alone(plant, fault):
    clean = picture("temple")
    found = artefacts.measure(plant(clean, 6).astype(np.float32), clean, clean)
    others = {name: value for name, value in found._asdict().items() if name != fault}
    assert getattr(found, fault) > 2
    assert all(value < 2 for value in others.values()), others


@pytest.mark.parametrize("name", samples.NAMES)
def test_the_crosshatch_of_paintings_and_photographs_is_near_zero(name):
    pixels = picture(name)
    assert artefacts.crosshatch(pixels, pixels) < 1.1


@pytest.mark.parametrize("name", CALM)
def test_pictures_with_calm_regions_have_few_specks_in_them(name):
    pixels = picture(name)
    assert artefacts.specks(pixels, pixels) < 5


def test_strokes_in_one_direction_and_grain_in_all_are_no_crosshatch():
    shape = (1, 96, 96, 3)
    strokes = 0.5 + np.broadcast_to(8 / 255 * np.sin(2 * np.pi * np.arange(96) / 3.2)[:, np.newaxis], shape)
    grain = 0.5 + np.random.default_rng(0).normal(0, 8 / 255, shape)
    flat = np.full(shape, 0.5, np.float32)
    assert artefacts.crosshatch(strokes, flat) < 0.5
    assert artefacts.crosshatch(grain, flat) < 1.5


def test_the_crosshatch_of_two_waves_is_their_root_mean_square():
    flat = np.full((1, 96, 96, 3), 0.5, np.float32)
    assert artefacts.crosshatch(with_crosshatch(flat, 8), flat) == pytest.approx(8, rel=0.02)


def test_a_thin_stroke_is_no_speck():
    flat = np.full((1, 64, 64, 3), 0.5, np.float32)
    stroke = flat.copy()
    stroke[0, np.arange(64), np.arange(64)] = 0
    assert artefacts.specks(stroke, flat) == 0


def test_what_the_style_has_itself_does_not_count():
    clean = picture("great-wave")
    marked = with_frame(with_specks(with_crosshatch(clean, 6), 6), 12).astype(np.float32)
    assert max(artefacts.measure(marked, marked, marked)) == 0
    assert max(artefacts.measure(marked, clean, marked)) < 0.1


def test_a_picture_too_small_for_a_measure_has_none():
    tiny = np.random.default_rng(0).random((1, 12, 40, 3)).astype(np.float32)
    assert artefacts.measure(tiny, tiny, tiny) == (0, 0, 0)


def test_strips_of_a_large_picture_join(monkeypatch):
    pixels = picture("bouquet")
    whole = artefacts.specks(pixels, pixels)
    monkeypatch.setattr(artefacts, "_STRIP_PX", 37)
    assert artefacts.specks(pixels, pixels) == whole
