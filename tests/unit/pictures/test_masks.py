"""Masks of a run: where each style goes, where it is taken from, and what is kept."""

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.pictures import images, inputs, masks
from tests.tiny import tiny_network

LEFT = np.tile(np.arange(20) < 10, (20, 1))
WHITE = np.ones([20, 20], bool)


def read(given, styles=1, style_blend=(), style_alpha=None, content_alpha=None):
    pictures = [tiny_network.picture(20, 20), *(tiny_network.picture(20, 20, seed=n + 1) for n in range(styles))]
    found = inputs.read_one_pass(pictures[0], pictures[1:], configs.AdainConfig())
    content = images.Picture(pixels=pictures[0], alpha=content_alpha, sha256="0", name="content")
    style = images.Picture(pixels=pictures[1], alpha=style_alpha, sha256="1", name="style")
    return masks.read(found._replace(content=content, styles=(style, *found.styles[1:])), given, style_blend)


def test_a_transparent_pixel_of_a_mask_is_not_here(tmp_path):
    left = np.zeros([1, 20, 20, 1], np.float32)
    left[:, :, :10] = 1
    images.save(tmp_path / "mask.png", np.ones([1, 20, 20, 3], np.float32), alpha=left)  # painted white on nothing
    np.testing.assert_array_equal(masks.plane(read(masks.Given([tmp_path / "mask.png"])).masks[0]), left)


def test_a_mask_may_be_booleans_and_of_another_size():
    received = read(masks.Given([np.tile(np.arange(40) < 20, (40, 1))]))
    np.testing.assert_allclose(masks.plane(received.masks[0])[0, 0, :, 0], LEFT[0], atol=0.1)


def test_masks_that_overlap_share():
    shares = masks.shares(read(masks.Given([WHITE, LEFT]), styles=2))
    np.testing.assert_array_equal(shares[0, 0, 0], [0.5, 0.5])
    np.testing.assert_array_equal(shares[0, 0, -1], [1, 0])


def test_transparent_pixels_take_no_style_and_give_none():
    alpha = LEFT[np.newaxis, :, :, np.newaxis].astype(np.float32)
    pictures = read(masks.Given(), content_alpha=alpha, style_alpha=alpha)
    np.testing.assert_array_equal(masks.shares(pictures), alpha)
    np.testing.assert_array_equal(masks.style_weights(pictures)[0], alpha)


def test_what_no_mask_covers_is_kept_and_what_keep_mask_says():
    pictures = read(masks.Given([LEFT], keep=LEFT.T))
    np.testing.assert_array_equal(masks.kept(pictures, with_uncovered=True)[0, :, :, 0], LEFT.T | ~LEFT)
    np.testing.assert_array_equal(masks.kept(pictures, with_uncovered=False)[0, :, :, 0], LEFT.T)
    assert masks.kept(read(masks.Given([WHITE])), with_uncovered=True) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            masks.Given([LEFT[:, :10]]),
            "a mask must have the content's aspect ratio. Received: 10 x 20 px for 20 x 20 px",
        ),
        (masks.Given([~WHITE]), "a mask must have white pixels where the style is to go. Received: none brighter"),
        (masks.Given(own=[LEFT[:, :10]]), "a mask must have the style picture's aspect ratio. Received: 10 x 20"),
        (masks.Given(own=[~WHITE]), "white pixels where the style is to be taken from. Received: none brighter"),
        (masks.Given(keep=~WHITE), "white pixels where the content is to stay"),
        (masks.Given(keep=WHITE), "keep_mask must leave something to stylise"),
    ],
    ids=["aspect", "empty", "aspect of the style", "empty of the style", "empty keep", "all kept"],
)
def test_masks_that_say_nothing_are_refused(given, words):
    with pytest.raises(errors.ImageError, match=words):
        read(given)


def test_a_style_region_without_a_visible_pixel_is_refused():
    alpha = 1 - LEFT[np.newaxis, :, :, np.newaxis].astype(np.float32)
    with pytest.raises(errors.ImageError, match="must lie where style is not transparent"):
        read(masks.Given(own=[LEFT]), style_alpha=alpha)


@pytest.mark.parametrize(
    ("given", "blend", "words"),
    [
        (masks.Given([LEFT, LEFT]), (), "style_masks needs one mask for each of the 1 style pictures. Received: 2"),
        (masks.Given(own=[LEFT, LEFT]), (), "style_own_masks needs one mask for each of the 1 .* Received: 2"),
        (masks.Given([LEFT]), (1.0,), "style_masks and style_blend exclude each other"),
    ],
)
def test_masks_that_do_not_fit_the_styles_are_refused(given, blend, words):
    with pytest.raises(errors.ConfigError, match=words):
        read(given, style_blend=blend)
