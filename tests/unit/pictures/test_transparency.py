import numpy as np

from nst_tf.pictures import images, transparency
from tests.tiny import tiny_network


def picture(pixels, alpha):
    """As it is read: composited on white."""
    on_white = pixels * alpha + (1 - alpha)
    return images.Picture(pixels=on_white, alpha=alpha, sha256="0", name="sprite")


def disc(height=24, width=30):
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return (8 - distance).clip(0, 1)[np.newaxis, :, :, np.newaxis].astype(np.float32)


def test_an_opaque_picture_stays_as_it_is():
    opaque = picture(tiny_network.picture(), np.ones([1, 12, 16, 1], np.float32))
    opaque = images.Picture(pixels=opaque.pixels, alpha=None, sha256="0", name="photo")
    assert transparency.straight(opaque) is opaque


def test_visible_colours_are_those_before_white_was_put_behind_them():
    pixels, alpha = tiny_network.picture(24, 30), disc()
    straight = transparency.straight(picture(pixels, alpha)).pixels
    certain = np.broadcast_to(alpha > 0.125, pixels.shape)
    np.testing.assert_allclose(straight[certain], pixels[certain], atol=1e-5)


def test_colours_go_on_where_nothing_can_be_seen():
    red = np.broadcast_to(np.float32([0.8, 0.1, 0.1]), (1, 24, 30, 3))
    straight = transparency.straight(picture(red, disc())).pixels
    np.testing.assert_allclose(straight, red, atol=1e-2)


def test_what_lies_under_a_transparent_pixel_does_not_matter():
    alpha = (disc() > 0).astype(np.float32)
    first, second = (tiny_network.picture(24, 30, seed=seed) for seed in (1, 2))
    second = np.where(alpha > 0, first, second)
    received = [transparency.straight(picture(pixels, alpha)).pixels for pixels in (first, second)]
    np.testing.assert_array_equal(*received)


def test_a_picture_without_a_visible_pixel_is_white():
    nothing = picture(tiny_network.picture(5, 7), np.zeros([1, 5, 7, 1], np.float32))
    np.testing.assert_array_equal(transparency.straight(nothing).pixels, np.ones([1, 5, 7, 3], np.float32))
