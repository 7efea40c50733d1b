import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from nst_tf import configs
from nst_tf.export import graph_guided_filter, graph_pictures
from nst_tf.pictures import guided_filter, images
from tests.tiny import tiny_network

MAX_PIXELS = 10_000


@pytest.fixture(scope="module")
def decode():
    """The decoder as a graph that has seen nothing of what it decodes."""
    return tf.function(
        lambda data: graph_pictures.decode(data, "content_bytes", tf.constant(3), MAX_PIXELS),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def saved(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def photo(mode="RGB", height=30, width=40):
    pixels = (tiny_network.picture(height, width)[0] * 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_png_is_decoded_as_images_does(decode, mode):
    data = saved(photo(mode), format="PNG")
    np.testing.assert_allclose(decode(data), images.load(data).pixels, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"comment": b"x" * 60_000}, {"exif": b"Exif\0\0" + b"y" * 65_000}],
    ids=["baseline", "progressive", "comment", "exif"],
)
def test_a_jpeg_is_decoded_as_images_does(decode, options):
    data = saved(photo(), format="JPEG", quality=95, **options)
    np.testing.assert_allclose(decode(data), images.load(data).pixels, atol=1e-6)


def test_a_jpeg_with_fill_bytes_before_a_marker_is_decoded(decode):
    data = saved(photo(), format="JPEG")
    assert decode(data[:2] + b"\xff\xff" + data[2:]).shape == (1, 30, 40, 3)


def test_a_cmyk_jpeg_is_decoded_to_rgb(decode):
    assert decode(saved(photo("CMYK"), format="JPEG")).shape == (1, 30, 40, 3)


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def jpeg_header(width, height):
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\0" * 9


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "must be a JPEG or a PNG. Received: 0 bytes"),
        (b"\x89", "must be a JPEG or a PNG. Received: 1 bytes"),
        (b"GIF89a" + b"\0" * 99, "must be a JPEG or a PNG"),
        (b"BM" + b"\0" * 99, "must be a JPEG or a PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "must be a JPEG or a PNG"),
        (b"\x89PNG\r\n\x1a\n", "header of the picture does not decode"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIDAT" + b"\1" * 99, "header of the picture does not decode"),
        (b"\xff\xd8\xff", "header of the picture does not decode"),
        (b"\xff\xd8\xff\xe0\0\0" * 50, "header of the picture does not decode"),
        (b"\xff\xd8\xff\xe0\xff\xff" + b"\0" * 50, "header of the picture does not decode"),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 5000 + jpeg_header(10, 10)[2:], "header of the picture does not decode"),
        (png_header(0, 10), "must have 1 to 10000 pixels. Received: 0 x 10 px"),
        (png_header(101, 100), "Received: 101 x 100 px. Scale it down first"),
        (png_header(2**31 - 1, 2**31 - 1), "Received: 2147483647 x 2147483647 px"),
        (png_header(2**32 - 1, 2**32 - 1), "must have 1 to 10000 pixels"),
        (jpeg_header(65535, 65535), "Received: 65535 x 65535 px"),
        (jpeg_header(10, 0), "Received: 10 x 0 px"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_a_picture_is_refused_by_its_header_with_its_index(decode, data, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"content_bytes\[3\]: ") as error:
        decode(data)
    assert words in str(error.value)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_body_that_ends_early_fails_with_the_decoders_message_and_the_next_picture_is_decoded(decode, form):
    data = saved(photo(), format=form)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(data[: len(data) // 2])
    assert "content_bytes[3]" not in str(error.value)
    assert decode(data).shape == (1, 30, 40, 3)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(30, 40, 40), (30, 40, 100), (30, 41, 17), (1, 999, 7), (5, 3, 1)]
)
def test_fit_is_that_of_images(height, width, side):
    fitted = graph_pictures.fit(tf.constant([height, width]), tf.constant(side))
    assert tuple(fitted.numpy()) == images.fit(height, width, side)


@pytest.mark.parametrize("size", [(30, 40), (15, 20), (7, 33), (60, 80)])
def test_resize_is_that_of_images(size):
    pixels = tiny_network.picture(30, 40)
    resized = graph_pictures.resize(tf.constant(pixels), tf.constant(size))
    np.testing.assert_allclose(resized, images.resize(pixels, *size), atol=1e-5)


def test_encode_rounds_to_the_nearest_level_and_clips():
    pixels = np.array([-1, 0.4 / 255, 0.6 / 255, 1.5 / 255, 2.5 / 255, 2], np.float32).reshape(1, 1, 2, 3)
    decoded = images.load(graph_pictures.encode(tf.constant(pixels)).numpy()).pixels * 255
    np.testing.assert_allclose(decoded.ravel(), [0, 0, 1, 2, 2, 255])


@pytest.mark.parametrize(("radius", "size"), [(0.05, (50, 70)), (0.9, (90, 120))])
def test_the_guided_filter_is_that_of_python(radius, size):
    image, content = (tiny_network.picture(*size, seed=seed) for seed in (1, 2))
    config = configs.preset("default", guided_filter_radius=radius)
    expected = guided_filter.of_photograph(image, content, config)
    filtered = tf.function(graph_guided_filter.of_photograph, autograph=False)
    got = filtered(tf.constant(image), tf.constant(content), radius, config.guided_filter_epsilon)
    np.testing.assert_allclose(got, expected, atol=1e-4)
