"""Pictures of a run, in the forms that callers have them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from nst_tf import configs, errors
from nst_tf.pictures import images, inputs
from tests.tiny import tiny_network


def masks(mask):
    content, style = tiny_network.picture(20, 20), tiny_network.picture(20, 20, seed=1)
    return inputs.read_one_pass(content, style, [mask], configs.AdainConfig()).masks[0].pixels


def test_a_transparent_pixel_of_a_mask_is_not_here(tmp_path):
    left = np.zeros([1, 20, 20, 1], np.float32)
    left[:, :, :10] = 1
    images.save(tmp_path / "mask.png", np.ones([1, 20, 20, 3], np.float32), alpha=left)  # painted white on nothing
    np.testing.assert_array_equal(masks(tmp_path / "mask.png")[..., :1], left)


def test_a_mask_may_be_booleans():
    left = np.arange(20) < 10
    received = masks(np.tile(left, (20, 1)))
    np.testing.assert_array_equal(received[0, 0, :, 0], left)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "YCbCr"])
def test_a_pillow_image_is_read_as_its_file_would_be(mode, tmp_path):
    pixels = Image.fromarray(np.rint(tiny_network.picture(20, 24)[0] * 255).astype(np.uint8))
    image = Image.new("I;16", (24, 20), 30000) if mode == "I;16" else pixels.convert(mode)
    received = inputs.read_picture(image, "content", None)
    saved = image if mode != "YCbCr" else image.convert("RGB")
    saved.save(tmp_path / "a.png")
    expected = images.load(tmp_path / "a.png")
    np.testing.assert_array_equal(received.pixels, expected.pixels)
    assert received.name == "content"
    assert (received.alpha is None) == (expected.alpha is None)


def test_a_pillow_image_keeps_its_orientation_and_its_profile():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (24, 20), (9, 9, 9)).save(buffer, "JPEG", exif=exif, icc_profile=profile)
    image = Image.open(buffer)
    assert inputs.read_picture(image, "content", None).pixels.shape == (1, 24, 20, 3)


def test_a_pillow_image_of_no_agreed_range_is_refused_with_the_way_round():
    with pytest.raises(errors.ImageError, match=r"content: a Pillow image.*mode 'F'.*convert\('RGB'\)"):
        inputs.read_picture(Image.new("F", (20, 20)), "content", None)
