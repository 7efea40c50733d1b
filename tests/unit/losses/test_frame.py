"""The term against a frame: edge by edge in float64, and in pictures too small for one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from nst_tf.evaluation import artefacts
from nst_tf.losses import frame
from tests import pixel_terms, tolerances
from tests.tiny import tiny_network


def sides(image):
    """The image [H, W, 3] from each of its edges inwards."""
    return image, image[::-1], image.transpose(1, 0, 2), image.transpose(1, 0, 2)[::-1]


def steps(side, left):
    """The distances of the nine outermost rows, over 16 pixels along the edge."""
    rows = side[:9, left : left + 16].mean(1)
    return [np.sqrt(np.sum((b - a) ** 2) + 1e-8) for a, b in itertools.pairwise(rows)]


def expected(image, content):
    """The mean over the four edges of one image [H, W, 3], position by position."""
    values = []
    for side, of_content in zip(sides(image), sides(content), strict=True):
        if side.shape[0] < 9 or side.shape[1] < 16:
            values.append(0.0)
            continue
        excesses = [
            sum(
                max(0.0, a - b - 12 / 255) ** 2 for a, b in zip(steps(side, left), steps(of_content, left), strict=True)
            )
            for left in range(side.shape[1] - 15)
        ]
        values.append(np.mean(excesses))
    return np.mean(values)


def value(image, weight=1.0, content=None):
    return pixel_terms.value(frame.FrameTerm(weight=weight), image, content)


def calm(height=40, width=52):
    return tiny_network.picture(height, width, seed=3, dtype=np.float64) * 0.2 + 0.3


def with_line(levels, *, place=0, width=3, axis=1):
    """A calm picture whose rows, or columns, beside an edge are lighter by so many levels."""
    image = calm()
    image[(slice(None),) * axis + (slice(place, place + width),)] += levels / 255
    return image


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_mean_over_the_edges(dtype):
    batch = np.concatenate([with_line(50), with_line(-80, place=3, axis=2)]).astype(dtype)
    content = with_line(30, place=3, axis=2).astype(dtype)
    found = value(batch, 2.0, content)
    np.testing.assert_allclose(found, [2 * expected(each, content[0]) for each in batch], **tolerances.of(dtype))
    assert min(found) > 1e-4


def test_a_picture_of_as_much_contrast_as_its_content_has_none():
    assert float(value(with_line(60), content=with_line(60))[0]) == 0
    assert float(value(with_line(60), content=calm())[0]) > 0.001


def test_it_grows_with_a_planted_frame_as_the_measure_does():
    found = [
        (float(value(image)[0]), artefacts.frame(image))
        for image in (calm(), *(with_line(levels) for levels in (30, 60)))
    ]
    assert found == sorted(found)
    assert found[0][0] < found[1][0] / 20
    assert found[1][1] < found[2][1]


@pytest.mark.parametrize(("place", "seen"), [(0, True), (3, True), (6, True), (7, True), (12, False)])
@pytest.mark.parametrize("width", [1, 2])
def test_it_sees_lines_of_any_width_beside_an_edge_and_none_further_inside(place, width, seen):
    image = np.full([1, 40, 40, 3], 0.5)
    image[:, place : place + width] = 0.7
    sideways = np.swapaxes(image, 1, 2)
    assert (float(value(image)[0]) > 0.001) == seen
    for turned in (image[:, ::-1], sideways, sideways[:, :, ::-1]):
        assert float(value(turned)[0]) == pytest.approx(float(value(image)[0]))


def test_rows_further_inside_have_no_part_in_it():
    term = frame.FrameTerm(weight=1.0)
    target = term.target(tf.constant(calm()))
    _, gradient = pixel_terms.value_and_gradient(lambda pixels: term.value(pixels, target), with_line(60))
    assert np.abs(gradient).max() > 0
    assert not gradient[:, 9:-9, 9:-9].any()


def test_the_gradient_is_that_of_small_differences():
    term = frame.FrameTerm(weight=5.0)
    target = term.target(tf.constant(calm()))
    pixel_terms.assert_gradient_is_of_small_differences(lambda pixels: term.value(pixels, target), with_line(60))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (15, 15), (8, 40), (40, 8), (16, 300), (9, 16)])
def test_edges_too_short_or_too_near_each_other_count_nothing(shape):
    image = tiny_network.picture(*shape, seed=1, dtype=np.float64)
    image[:, 1:3] = image[:, :, 1:3] = 0.95
    content = np.full_like(image, 0.5)
    term = frame.FrameTerm(weight=1.0)
    target = term.target(tf.constant(content))
    found, gradient = pixel_terms.value_and_gradient(lambda pixels: term.value(pixels, target), image)
    np.testing.assert_allclose(found, [expected(image[0], content[0])], **tolerances.of("float64"))
    assert np.isfinite(gradient).all()
    assert (float(found[0]) > 0) == (max(shape) > 15 and min(shape) > 8)
