"""Pictures of a run, in the forms that callers have them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from nst_tf import configs, errors
from nst_tf.pictures import images, inputs
from tests.tiny import tiny_network


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


def test_each_style_may_be_read_at_a_size_of_its_own():
    styles = [tiny_network.picture(40, 40, seed=seed) for seed in (1, 2)]
    config = configs.AdainConfig(style_max_side_px=(32, 20))
    read = inputs.read_one_pass(tiny_network.picture(24, 24), styles, config)
    assert [style.width_px for style in read.styles] == [32, 20]
    for one in (20, (20,)):
        read = inputs.read_one_pass(tiny_network.picture(24, 24), styles, configs.AdainConfig(style_max_side_px=one))
        assert [style.width_px for style in read.styles] == [20, 20]


def test_another_number_of_style_sizes_than_of_styles_is_refused():
    config = configs.AdainConfig(style_max_side_px=(32, 20))
    with pytest.raises(errors.ConfigError, match=r"one size, or one for each of the 1 style pictures. Received: 2"):
        inputs.read_one_pass(tiny_network.picture(24, 24), tiny_network.picture(40, 40), config)
