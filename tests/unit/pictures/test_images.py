"""Files and bytes to pixels and back."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image, ImageCms

from nst_tf import errors
from nst_tf.pictures import icc, images
from tests import tolerances

# What the formats are made from: [H, W] that no turn or mirror leaves alone.
MARKED = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9) * 4
COLOURED = np.stack([MARKED, MARKED[::-1], 255 - MARKED], axis=-1)  # [6, 9, 3]


def same(actual, expected):
    np.testing.assert_allclose(actual, expected, **tolerances.of("float32"))


def file_of(value, format, **options):
    """The bytes of a Pillow image or an array in a format."""
    image = value if isinstance(value, Image.Image) else Image.fromarray(value)
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def smooth(height_px=40, width_px=50):
    """float32 [1, H, W, 3] without edges, which JPEG and WebP keep well."""
    y, x = np.mgrid[0 : 1 : height_px * 1j, 0 : 1 : width_px * 1j]
    return np.stack([x, y, (x + y) / 2], axis=-1)[np.newaxis].astype(np.float32)


def png(width, height, depth, colour_type, rows, *extra):
    """A PNG from its raw rows (bytes, unfiltered) and extra (kind, body) chunks before the data."""
    chunks = [
        (b"IHDR", struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, 0)),
        *extra,
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )


def tiff(bits, samples, photometric, data, *, order="<", sample_format=1):
    """A TIFF of 3 x 2 px with one strip."""
    entries = {256: 3, 257: 2, 259: 1, 262: photometric, 273: None, 277: samples, 278: 2, 279: len(data)}
    after = 8 + 2 + 12 * (len(entries) + 2) + 4
    lists = {258: [bits] * samples, 339: [sample_format] * samples}
    extra, fields = b"", []
    for tag in sorted([*entries, *lists]):
        if tag in lists:
            body = struct.pack(f"{order}{samples}H", *lists[tag])
            if len(body) <= 4:
                fields.append(struct.pack(f"{order}HHI", tag, 3, samples) + body.ljust(4, b"\0"))
            else:
                fields.append(struct.pack(f"{order}HHII", tag, 3, samples, after + len(extra)))
                extra += body
        else:
            fields.append((tag, entries[tag]))
    packed = b"".join(
        f
        if isinstance(f, bytes)
        else struct.pack(f"{order}HHII", f[0], 4, 1, after + len(extra) if f[1] is None else f[1])
        for f in fields
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(fields))
    return head + packed + b"\0\0\0\0" + extra + data


def profile(colour_space, connection_space, tags, *, device=b"mntr"):
    """A minimal ICC version 2 profile."""
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags.items():
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50, s15Fixed16
    header = struct.pack(">I4sI4s4s4s12x4s28x12s", start + len(body), b"lcms", 0x02400000, device, colour_space,
                         connection_space, b"acsp", white)  # fmt: skip
    return header.ljust(128, b"\0") + table + body


WHITE_TAG = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
LINEAR_GREY = profile(b"GRAY", b"XYZ ", {b"wtpt": WHITE_TAG, b"kTRC": b"curv" + b"\0" * 8})


def black_only_cmyk():
    """A CMYK profile for which only the black ink darkens, so that it is told from any other conversion."""
    corners = bytes(v for i in range(16) for v in ((0 if i & 1 else 255), 128, 128))  # K varies fastest
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + corners + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"wtpt": WHITE_TAG, b"A2B0": lut}, device=b"prtr")


def swapped_rgb():
    """sRGB with the red and the green primary exchanged."""
    data = bytearray(icc.srgb_profile())
    for i in range(struct.unpack(">I", data[128:132])[0]):
        at = 132 + 12 * i
        name = bytes(data[at : at + 4])
        data[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


class TestLoad:
    @pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
    def test_reads_what_a_lossless_format_holds(self, format):
        picture = images.load(file_of(COLOURED, format))
        assert picture.pixels.dtype == np.float32
        same(picture.pixels, COLOURED[np.newaxis] / 255)

    @pytest.mark.parametrize(("format", "options"), [("JPEG", {"quality": 100}), ("WEBP", {"lossless": True})])
    def test_reads_a_photograph(self, format, options):
        levels = np.rint(smooth()[0] * 255).astype(np.uint8)
        np.testing.assert_allclose(images.load(file_of(levels, format, **options)).pixels, smooth(), atol=0.02)

    def test_takes_a_path_as_text_or_object(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(file_of(COLOURED, "PNG"))
        same(images.load(str(path)).pixels, images.load(path).pixels)

    def test_the_suffix_does_not_matter(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(file_of(COLOURED, "PNG"))
        same(images.load(tmp_path / "a.jpg").pixels, COLOURED[np.newaxis] / 255)

    def test_says_name_size_and_hash(self, tmp_path):
        data = file_of(COLOURED, "PNG")
        (tmp_path / "a.png").write_bytes(data)
        picture = images.load(tmp_path / "a.png")
        assert picture.name == str(tmp_path / "a.png")
        assert (picture.height_px, picture.width_px) == (6, 9)
        assert picture.sha256 == hashlib.sha256(data).hexdigest()
        assert picture.notes == ()
        assert picture.alpha is None

    def test_takes_a_name_for_bytes(self):
        assert images.load(file_of(COLOURED, "PNG"), name="the upload").name == "the upload"

    def test_reads_one_pixel(self):
        same(images.load(file_of(np.full((1, 1, 3), 51, np.uint8), "PNG")).pixels, np.full((1, 1, 1, 3), 0.2))

    def test_reads_from_threads_without_a_warning(self):
        data, found = file_of(COLOURED, "PNG"), []
        threads = [threading.Thread(target=lambda: found.append(images.load(data).height_px)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [6] * 8

    def test_leaves_the_warning_filters_as_they_were(self):
        before = list(warnings.filters)
        images.load(file_of(COLOURED, "PNG"))
        assert warnings.filters == before

    def test_does_not_import_tensorflow_for_8_bits(self):
        load = "from nst_tf.pictures import images; images.load('sample:turner')"
        code = f"import sys; {load}; sys.exit('tensorflow' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestModes:
    @pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF", "JPEG"])
    def test_grey_is_repeated(self, format):
        picture = images.load(file_of(np.full((8, 8), 102, np.uint8), format))
        same(picture.pixels, np.full((1, 8, 8, 3), 0.4))

    @pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
    def test_one_bit_is_black_and_white(self, format):
        bits = np.array([[0, 255], [255, 0]], np.uint8)
        picture = images.load(file_of(Image.fromarray(bits).convert("1"), format))
        same(picture.pixels[0, :, :, 0], bits / 255)

    @pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
    def test_a_palette_is_looked_up(self, format):
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((1, 0), 1)
        same(images.load(file_of(image, format)).pixels, [[[[1, 0, 0], [0, 0, 1]]]])

    @pytest.mark.parametrize("depth", [1, 2, 4])
    def test_grey_of_few_bits_spans_the_range(self, depth):
        picture = images.load(png(2, 1, depth, 0, [bytes([(1 << depth) - 1 << (8 - 2 * depth)])]))
        same(picture.pixels[0, 0, :, 0], [0, 1])

    def test_cmyk_without_a_profile_is_converted_with_a_note(self):
        ink = np.zeros((8, 8, 4), np.uint8)
        ink[..., 0] = 255
        picture = images.load(file_of(cmyk(ink), "TIFF"))
        same(picture.pixels, np.broadcast_to([0, 1, 1], (1, 8, 8, 3)))
        assert "CMYK converted to sRGB without a profile" in picture.notes[0]

    def test_cmyk_jpeg_is_not_inverted(self):
        data = file_of(cmyk(np.full((8, 8, 4), [0, 255, 0, 0], np.uint8)), "JPEG", quality=100)
        assert b"Adobe" in data
        np.testing.assert_allclose(images.load(data).pixels[0, 4, 4], [1, 0, 1], atol=0.02)

    def test_ycck_jpeg_is_not_inverted(self):
        # The same stored bytes, once read as inverted CMYK and once, by the flag of the Adobe marker, as YCCK.
        data = bytearray(file_of(cmyk(np.full((8, 8, 4), [100, 128, 128, 30], np.uint8)), "JPEG", quality=100))
        plain = images.load(bytes(data)).pixels[0, 4, 4]
        data[data.index(b"Adobe") + 11] = 2
        ycck = images.load(bytes(data)).pixels[0, 4, 4]
        # Stored are 155, 127, 127, 225. YCCK holds 255 minus the inverted inks as luma and neutral chroma, so that all
        # three inks are 155.
        np.testing.assert_allclose(plain, [(155 / 255) * (225 / 255)] + 2 * [(127 / 255) * (225 / 255)], atol=0.02)
        np.testing.assert_allclose(ycck, 3 * [(100 / 255) * (225 / 255)], atol=0.02)

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_16_bit_grey_tiff_keeps_its_depth(self, order):
        values = np.array([[0, 1, 2], [1000, 65534, 65535]])
        picture = images.load(tiff(16, 1, 1, values.astype(f"{order}u2").tobytes(), order=order))
        same(picture.pixels[0, :, :, 2], values / 65535)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_16_bit_png_keeps_its_depth(self, channels):
        values = np.random.default_rng(1).integers(0, 65536, (4, 5, channels), dtype=np.uint16)
        picture = images.load(tf.io.encode_png(values).numpy())
        expected = values / 65535
        if channels == 4:
            same(picture.alpha, expected[np.newaxis, :, :, 3:])
            expected = expected[..., :3] * expected[..., 3:] + 1 - expected[..., 3:]
        same(picture.pixels, np.broadcast_to(expected, (1, 4, 5, 3)))

    def test_16_bit_grey_png_with_alpha_keeps_its_depth(self):
        picture = images.load(png(1, 1, 16, 4, [struct.pack(">2H", 20000, 65535)]))
        same(picture.pixels, np.full((1, 1, 1, 3), 20000 / 65535))

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(
        ("bits", "samples", "photometric", "sample_format"),
        [(16, 3, 2, 1), (16, 4, 5, 1), (32, 1, 1, 3), (16, 1, 1, 2), (32, 1, 1, 2)],
        ids=["rgb", "cmyk", "float", "signed", "32-bit"],
    )
    def test_a_tiff_that_would_lose_values_is_refused(self, order, bits, samples, photometric, sample_format):
        data = tiff(
            bits, samples, photometric, b"\0" * (6 * samples * bits // 8), order=order, sample_format=sample_format
        )
        with pytest.raises(errors.ImageError, match=rf"Received: {bits}.*16-bit PNG"):
            images.load(data)

    def test_a_lab_tiff_is_refused(self):
        with pytest.raises(errors.ImageError, match="mode 'LAB'"):
            images.load(tiff(8, 3, 8, b"\0" * 18))

    def test_the_first_frame_of_a_gif_is_used_with_a_note(self):
        frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
        picture = images.load(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        same(picture.pixels[0, 0, 0], [1, 0, 0])
        assert picture.notes == ("only the first of several frames is used",)

    @pytest.mark.parametrize("format", ["TIFF", "WEBP", "PNG"])
    def test_the_first_page_is_used_with_a_note(self, format):
        frames = [Image.new("RGB", (4, 4), colour) for colour in ((0, 0, 0), (255, 255, 255))]
        picture = images.load(file_of(frames[0], format, save_all=True, append_images=frames[1:]))
        same(picture.pixels[0, 0, 0], [0, 0, 0])
        assert picture.notes == ("only the first of several frames is used",)


def cmyk(ink):
    """A Pillow image of uint8 [H, W, 4] ink."""
    return Image.frombytes("CMYK", (ink.shape[1], ink.shape[0]), ink.tobytes())


class TestAlpha:
    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_transparent_colours_are_composited_on_white(self, format):
        picture = images.load(file_of(np.array([[[0, 0, 0, 51], [255, 0, 0, 255]]], np.uint8), format))
        same(picture.pixels, [[[[0.8, 0.8, 0.8], [1, 0, 0]]]])
        same(picture.alpha, [[[[0.2], [1]]]])

    def test_grey_with_alpha(self):
        image = Image.merge("LA", (Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 102)))
        picture = images.load(file_of(image, "PNG"))
        same(picture.pixels, np.full((1, 1, 1, 3), 0.6))
        same(picture.alpha, [[[[0.4]]]])

    def test_opaque_alpha_is_none(self):
        assert images.load(file_of(np.full((2, 2, 4), 255, np.uint8), "PNG")).alpha is None

    def test_a_palette_with_one_transparent_entry(self):
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((1, 0), 1)
        picture = images.load(file_of(image, "GIF", transparency=1))
        same(picture.pixels, [[[[1, 0, 0], [1, 1, 1]]]])
        same(picture.alpha, [[[[1], [0]]]])

    def test_a_palette_with_an_alpha_for_each_entry(self):
        image = Image.new("P", (2, 1))
        image.putpalette([0, 0, 0, 0, 0, 0])
        image.putpixel((1, 0), 1)
        same(images.load(file_of(image, "PNG", transparency=b"\x33\xff")).alpha, [[[[0.2], [1]]]])

    @pytest.mark.parametrize(
        ("depth", "row", "key"),
        [(1, b"\x80", 1), (2, b"\x40", 1), (4, b"\x50", 5), (8, b"\5\0", 5), (16, b"\0\5\0\0", 5)],
    )
    def test_the_transparent_grey_of_a_png(self, depth, row, key):
        picture = images.load(png(2, 1, depth, 0, [row], (b"tRNS", struct.pack(">H", key))))
        same(picture.alpha, [[[[0], [1]]]])
        same(picture.pixels[0, 0, :, 0], [1, 0])

    @pytest.mark.parametrize(("depth", "row"), [(8, b"\1\2\3\1\2\4"), (16, b"\0\1\0\2\0\3\0\1\0\2\0\4")])
    def test_the_transparent_colour_of_a_png(self, depth, row):
        picture = images.load(png(2, 1, depth, 2, [row], (b"tRNS", struct.pack(">3H", 1, 2, 3))))
        same(picture.alpha, [[[[0], [1]]]])


class TestOrientation:
    # Where the stored first row and first column are, in EXIF's words, so that the expected array is told directly.
    UPRIGHT = {  # noqa: RUF012
        1: COLOURED,
        2: np.fliplr(COLOURED),
        3: np.flipud(np.fliplr(COLOURED)),
        4: np.flipud(COLOURED),
        5: np.transpose(COLOURED, (1, 0, 2)),
        6: np.fliplr(np.transpose(COLOURED, (1, 0, 2))),
        7: np.flipud(np.fliplr(np.transpose(COLOURED, (1, 0, 2)))),
        8: np.flipud(np.transpose(COLOURED, (1, 0, 2))),
    }

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_is_applied(self, format, orientation):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        picture = images.load(file_of(COLOURED, format, exif=exif))
        same(picture.pixels, self.UPRIGHT[orientation][np.newaxis] / 255)

    @pytest.mark.parametrize("format", ["JPEG", "WEBP"])
    def test_is_applied_in_lossy_formats(self, format):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        levels = np.rint(smooth()[0] * 255).astype(np.uint8)
        picture = images.load(file_of(levels, format, exif=exif, quality=95))
        np.testing.assert_allclose(picture.pixels[0], np.rot90(smooth()[0], -1), atol=0.05)

    def test_is_applied_to_the_alpha_and_to_16_bits(self):
        values = np.random.default_rng(1).integers(0, 65536, (2, 3, 4), dtype=np.uint16)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 8
        data = tf.io.encode_png(values).numpy()
        body = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
        picture = images.load(data[:33] + chunk + data[33:])
        same(picture.alpha[0], np.rot90(values[..., 3:] / 65535))

    def test_an_unknown_one_is_left_alone(self):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 77
        same(images.load(file_of(COLOURED, "PNG", exif=exif)).pixels, COLOURED[np.newaxis] / 255)

    @pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense" * 3])
    def test_broken_exif_neither_warns_nor_fails(self, exif):
        assert images.load(file_of(COLOURED, "JPEG", exif=exif)).height_px == 6


class TestProfile:
    def test_an_rgb_profile_is_converted(self):
        red = np.zeros((2, 2, 3), np.uint8)
        red[..., 0] = 255
        picture = images.load(file_of(red, "PNG", icc_profile=swapped_rgb()))
        np.testing.assert_allclose(picture.pixels, np.broadcast_to([0, 1, 0], (1, 2, 2, 3)), atol=0.01)
        assert picture.notes == ("converted from the embedded profile 'sRGB built-in' to sRGB",)

    @pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF"])
    def test_is_found_in_every_format(self, format):
        picture = images.load(file_of(COLOURED, format, icc_profile=swapped_rgb()))
        assert picture.notes[0].startswith("converted")

    def test_an_srgb_profile_leaves_the_values_alone(self):
        picture = images.load(file_of(COLOURED, "PNG", icc_profile=icc.srgb_profile()))
        same(picture.pixels, COLOURED[np.newaxis] / 255)
        assert picture.notes == ()

    def test_a_grey_profile_is_converted(self):
        picture = images.load(file_of(np.full((2, 2), 128, np.uint8), "PNG", icc_profile=LINEAR_GREY))
        # The sRGB transfer function of 128 / 255, IEC 61966-2-1.
        np.testing.assert_allclose(picture.pixels, 1.055 * (128 / 255) ** (1 / 2.4) - 0.055, atol=0.01)
        assert picture.notes[0].startswith("converted")

    def test_grey_with_an_rgb_profile_is_converted(self):
        picture = images.load(file_of(np.full((2, 2), 128, np.uint8), "PNG", icc_profile=swapped_rgb()))
        assert picture.pixels.shape == (1, 2, 2, 3)
        assert picture.notes[0].startswith("converted")

    def test_a_cmyk_profile_is_converted(self):
        ink = np.array([[[255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
        picture = images.load(file_of(cmyk(ink), "TIFF", icc_profile=black_only_cmyk()))
        np.testing.assert_allclose(picture.pixels, [[[[1, 1, 1], [0, 0, 0]]]], atol=0.02)
        assert picture.notes == ("converted from the embedded profile 'unnamed' to sRGB",)

    def test_the_alpha_is_kept_beside_it(self):
        rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
        picture = images.load(file_of(rgba, "PNG", icc_profile=swapped_rgb()))
        np.testing.assert_allclose(picture.pixels, [[[[0, 1, 0], [1, 1, 1]]]], atol=0.01)
        same(picture.alpha, [[[[1], [0]]]])

    @pytest.mark.parametrize(
        "broken", [b"nonsense", icc.srgb_profile()[:300], icc.srgb_profile()[:128] + b"\xff" * 460]
    )
    def test_a_broken_one_is_ignored_with_a_note(self, broken):
        picture = images.load(file_of(COLOURED, "PNG", icc_profile=broken))
        same(picture.pixels, COLOURED[np.newaxis] / 255)
        assert "ignored the embedded profile" in picture.notes[0]

    def test_one_for_other_channels_is_ignored_with_a_note(self):
        picture = images.load(file_of(COLOURED, "PNG", icc_profile=LINEAR_GREY))
        same(picture.pixels, COLOURED[np.newaxis] / 255)
        assert picture.notes == ("ignored the embedded profile: it is for GRAY, the picture is RGB",)

    def test_one_of_16_bits_is_converted_with_a_note_of_the_lost_depth(self):
        data = images.encode(smooth(), ".png", bit_depth=16)
        at = data.index(b"iCCP")
        length = struct.unpack(">I", data[at - 4 : at])[0]
        body = b"swapped\0\0" + zlib.compress(swapped_rgb())
        chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
        picture = images.load(data[: at - 4] + chunk + data[at + 8 + length :])
        # A pure red ramp turns green; the corner of full red and no green is a saturated one.
        np.testing.assert_allclose(picture.pixels[0, 0, -1, :2], [0, 1], atol=0.15)
        assert picture.notes[0].endswith("which reduced its 16 bits to 8")


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "received"),
        [
            (b"", "an empty file"),
            (b"Dear reader", "a text file"),
            ("Übermut tut selten gut".encode(), "a text file"),
            (b"<!DOCTYPE html><html></html>", "a web page"),
            (b"<?xml version='1.0'?><svg></svg>", "an SVG drawing"),
            (b"%PDF-1.7\n", "a PDF"),
            (b"\0\0\0\x18ftypheic", "a HEIC"),
            (b"\x89PNG\r\n\x1a\n\0\0", "a damaged PNG"),
            (bytes(range(128, 255)), "127 bytes of an unknown kind"),
        ],
    )
    def test_what_is_not_a_picture_is_told(self, data, received, tmp_path):
        path = tmp_path / "a.jpg"
        path.write_bytes(data)
        with pytest.raises(
            errors.ImageError, match=f"JPEG, PNG.*Received: {received}.*convert it to PNG or JPEG"
        ) as info:
            images.load(path)
        assert str(path) in str(info.value)

    def test_other_formats_of_pillow_are_refused(self):
        with pytest.raises(errors.ImageError, match="must be one of"):
            images.load(file_of(COLOURED, "PPM"))

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_truncated_data_is_refused(self, format, share):
        data = file_of(np.random.default_rng(2).integers(0, 255, (40, 40, 3), dtype=np.uint8), format)
        with pytest.raises(errors.ImageError, match="Received: "):
            images.load(data[: int(len(data) * share)])

    def test_truncated_data_is_called_so(self):
        data = file_of(COLOURED, "JPEG")
        with pytest.raises(errors.ImageError, match=r"Received: truncated data.*Copy or download it again"):
            images.load(data[:-20])

    @pytest.mark.parametrize("cut", [0.3, 0.9])
    def test_truncated_16_bit_png_is_refused(self, cut):
        data = tf.io.encode_png(np.random.default_rng(3).integers(0, 65536, (20, 20, 3), dtype=np.uint16)).numpy()
        with pytest.raises(errors.ImageError, match="Received: truncated data"):
            images.load(data[: int(len(data) * cut)])

    def test_a_decompression_bomb_is_refused_by_its_header(self):
        with pytest.raises(errors.ImageError, match=r"at most 178956970 pixels.*Scale it down"):
            images.load(png(100_000, 100_000, 8, 2, []))

    def test_the_cap_holds_where_the_application_has_lifted_pillows(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        with pytest.raises(errors.ImageError, match=r"at most 178956970 pixels. Received: 100000 x 100000"):
            images.load(png(100_000, 100_000, 8, 2, []))

    @pytest.mark.parametrize("side_px", [9500, 13370])
    def test_a_large_header_under_the_cap_is_no_bomb(self, side_px):
        with pytest.raises(errors.ImageError, match="truncated data"):
            images.load(png(side_px, side_px, 1, 0, []))

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(errors.ImageError, match="no such file"):
            images.load(tmp_path / "a.png")

    def test_a_folder(self, tmp_path):
        with pytest.raises(errors.ImageError, match="Received: a folder"):
            images.load(tmp_path)

    @pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs a device file")
    def test_a_device(self):
        with pytest.raises(errors.ImageError, match="a device or a pipe"):
            images.load("/dev/null")

    @pytest.mark.parametrize("path", ["a\0b.png", "n" * 5000])
    def test_a_path_that_no_file_can_have(self, path):
        with pytest.raises(errors.ImageError, match="Check the path"):
            images.load(path)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_a_file_without_permission(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"")
        (tmp_path / "a.png").chmod(0)
        with pytest.raises(errors.ImageError, match="permission"):
            images.load(tmp_path / "a.png")

    @pytest.mark.parametrize("source", [None, 3, np.zeros((2, 2, 3))])
    def test_what_is_no_path(self, source):
        with pytest.raises(errors.ImageError, match="from_array"):
            images.load(source)


MUTATED = {
    "jpeg": file_of(COLOURED, "JPEG", icc_profile=icc.srgb_profile(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "progressive": file_of(COLOURED, "JPEG", progressive=True),
    "cmyk": file_of(cmyk(np.full((6, 9, 4), 80, np.uint8)), "JPEG", icc_profile=black_only_cmyk()),
    "png": file_of(COLOURED, "PNG", icc_profile=icc.srgb_profile(), exif=Image.Exif()),
    "deep png": images.encode(smooth(6, 9), ".png", alpha=smooth(6, 9)[..., :1], bit_depth=16),
    "webp": file_of(COLOURED, "WEBP", icc_profile=icc.srgb_profile()),
    "tiff": file_of(COLOURED, "TIFF"),
    "deflated tiff": images.encode(smooth(6, 9), ".tif"),
    "bmp": file_of(COLOURED, "BMP"),
    "gif": file_of(Image.fromarray(COLOURED), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 6))]),
}


@pytest.mark.parametrize("kind", MUTATED)
def test_a_mutated_file_reads_or_is_refused_and_nothing_else(kind):
    generator = np.random.default_rng(len(kind))
    for _ in range(
        15 if kind == "cmyk" else 100
    ):  # its conversion, one table of colours each, takes a tenth of a second
        data = bytearray(MUTATED[kind])
        for at in generator.integers(0, len(data), generator.integers(1, 8)):
            data[at] = generator.integers(0, 256)
        if generator.random() < 0.2:
            del data[generator.integers(0, len(data)) :]
        try:
            picture = images.load(bytes(data), max_side_px=64)
        except errors.ImageError as error:
            assert "Received: " in str(error)  # noqa: PT017
        else:
            assert picture.pixels.dtype == np.float32
            assert np.isfinite(picture.pixels).all()


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "max_side_px", "expected"),
        [
            ((100, 200), 50, (25, 50)),
            ((200, 100), 50, (50, 25)),
            ((100, 200), 200, (100, 200)),
            ((30, 20), 99, (30, 20)),
            ((1, 1000), 10, (1, 10)),
            ((333, 1000), 100, (33, 100)),
        ],
    )
    def test_fit_bounds_the_longer_side_and_never_enlarges(self, size, max_side_px, expected):
        assert images.fit(*size, max_side_px) == expected

    @pytest.mark.parametrize("max_side_px", [0, -1])
    def test_fit_refuses_no_size(self, max_side_px):
        with pytest.raises(errors.ConfigError, match="at least 1"):
            images.fit(10, 10, max_side_px)

    def test_load_scales_pixels_and_alpha_down(self):
        rgba = np.zeros((40, 80, 4), np.uint8)
        rgba[:, 40:] = 255
        picture = images.load(file_of(rgba, "PNG"), max_side_px=8)
        assert picture.pixels.shape == (1, 4, 8, 3)
        assert picture.alpha.shape == (1, 4, 8, 1)
        np.testing.assert_allclose(picture.alpha[0, 0, [0, -1], 0], [0, 1], atol=0.01)

    def test_load_never_enlarges(self):
        assert images.load(file_of(COLOURED, "PNG"), max_side_px=1000).pixels.shape == (1, 6, 9, 3)

    def test_scaled_gives_the_same_picture_where_it_fits(self):
        picture = images.load(file_of(COLOURED, "PNG"))
        assert images.scaled(picture, 9) is picture

    def test_scaled_keeps_what_is_known_of_the_file(self):
        picture = images.load(file_of(COLOURED, "PNG"), name="a")
        small = images.scaled(picture, 3)
        assert (small.height_px, small.width_px) == (2, 3)
        assert (small.name, small.sha256) == ("a", picture.sha256)

    def test_a_flat_colour_stays_flat(self):
        np.testing.assert_allclose(images.resize(np.full((1, 9, 7, 2), 0.3, np.float32), 4, 15), 0.3, atol=1e-6)

    def test_scaling_down_averages_a_chequerboard(self):
        board = np.indices((64, 64)).sum(0) % 2
        small = images.resize(board[np.newaxis, :, :, np.newaxis].astype(np.float32), 8, 8)
        np.testing.assert_allclose(small, 0.5, atol=0.02)

    def test_a_smooth_ramp_keeps_more_than_8_bits(self):
        ramp = np.linspace(0.5, 0.51, 512, dtype=np.float32).reshape(1, 1, 512, 1).repeat(8, axis=1)
        assert len(np.unique(images.resize(ramp, 4, 256)[0, 0])) > 200

    def test_overshoot_is_clipped(self):
        step = np.zeros((1, 20, 20, 3), np.float32)
        step[:, :, 10:] = 1
        result = images.resize(step, 33, 33)
        assert result.min() >= 0
        assert result.max() <= 1

    def test_the_same_size_is_a_copy(self):
        pixels = smooth()
        result = images.resize(pixels, 40, 50)
        assert result is not pixels
        np.testing.assert_array_equal(result, pixels)

    @pytest.mark.parametrize(("shape", "size"), [((4, 4, 3), (2, 2)), ((2, 4, 4, 3), (2, 2)), ((1, 4, 4, 3), (0, 2))])
    def test_resize_refuses_other_shapes_and_sizes(self, shape, size):
        with pytest.raises(errors.ImageError, match="Received: shape"):
            images.resize(np.zeros(shape, np.float32), *size)


class TestFromArray:
    @pytest.mark.parametrize(
        "value",
        [
            np.full((2, 3, 3), 0.2),
            np.full((1, 2, 3, 3), 0.2, np.float32),
            np.full((2, 3), 51, np.uint8),
            np.full((2, 3, 1), 51, np.uint8),
            np.full((1, 2, 3, 1), 13107, np.uint16),
            np.full((2, 3, 3), 0.2).tolist(),
            tf.fill([2, 3, 3], 0.2),
            tf.Variable(tf.fill([1, 2, 3, 3], 0.2)),
        ],
        ids=lambda value: f"{type(value).__name__}{getattr(value, 'shape', '')}",
    )
    def test_brings_every_form_into_one(self, value):
        pixels = images.from_array(value)
        assert pixels.dtype == np.float32
        same(pixels, np.full((1, 2, 3, 3), 0.2))

    @pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
    def test_takes_low_precision_tensors(self, dtype):
        pixels = images.from_array(tf.cast(tf.fill([2, 3, 3], 0.2), dtype))
        np.testing.assert_allclose(pixels, 0.2, **tolerances.of(dtype.name))

    def test_is_a_copy(self):
        value = smooth()
        images.from_array(value)[:] = 0
        assert value.max() == 1

    def test_clips_what_is_slightly_out_of_range(self):
        pixels = images.from_array(np.array([[-0.0009, 1.0009]]))
        np.testing.assert_array_equal(pixels[0, 0, :, 0], [0, 1])

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (np.full((2, 2, 3), np.nan), r"must be finite. Received: 12 of 12"),
            (np.full((2, 2, 3), np.inf), "must be finite"),
            (np.linspace(0, 255, 12).reshape(2, 2, 3), r"Received: values from 0 to 255. Divide 0-255 floats by 255"),
            (np.full((2, 2, 3), -0.01), "values from -0.01"),
            (np.zeros((2, 2, 4)), r"Received: \[2, 2, 4\]. Drop the alpha channel or flatten it"),
            (np.zeros((2, 2, 2)), r"Received: \[2, 2, 2\]"),
            (np.zeros((3, 20, 20)), "channels last"),
            (np.zeros((2, 4, 4, 3)), "one image at a time"),
            (np.zeros(3), r"Received: \[3\]"),
            (np.float32(0.5), r"Received: \[\]"),
            (np.zeros((0, 3, 3)), "an empty array"),
            ([], "an empty array"),
            (np.zeros((2, 2, 3), np.int64), r"Received: int64. Cast 0-255 integers to uint8"),
            (np.zeros((2, 2, 3), complex), "Received: complex128"),
            ("photo.jpg", "read files with images.load"),
            (None, "Received: object"),
            ([[0.1, 0.2], [0.3]], "rows of equal length"),
        ],
    )
    def test_refuses_and_says_how_to_mend(self, value, message):
        with pytest.raises(errors.ImageError, match=message) as info:
            images.from_array(value, name="content")
        assert str(info.value).startswith("content: ")

    def test_refuses_a_symbolic_tensor(self):
        @tf.function(autograph=False)
        def traced(value):
            images.from_array(value)

        with pytest.raises(errors.ImageError, match="with values"):
            traced(tf.zeros([2, 2, 3]))


class TestEncode:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp"])
    def test_lossless_formats_round_to_the_nearest_of_256_levels(self, suffix):
        pixels = np.linspace(0, 1, 999, dtype=np.float32).reshape(1, 37, 9, 3)
        same(images.load(images.encode(pixels, suffix)).pixels, np.rint(pixels * 255) / 255)

    @pytest.mark.parametrize(("suffix", "levels"), [(".jpg", 4), (".jpeg", 4), (".webp", 8)])
    def test_lossy_formats_stay_close(self, suffix, levels):
        np.testing.assert_allclose(images.load(images.encode(smooth(), suffix)).pixels, smooth(), atol=levels / 255)

    def test_16_bit_png_rounds_to_the_nearest_of_65536_levels(self):
        pixels = np.random.default_rng(4).uniform(size=(1, 7, 5, 3)).astype(np.float32)
        data = images.encode(pixels, ".png", bit_depth=16)
        assert np.array_equal(tf.io.decode_png(data, dtype=tf.uint16), np.rint(pixels[0] * np.float32(65535)))

    def test_the_jpeg_has_full_chroma(self):
        with Image.open(io.BytesIO(images.encode(smooth(), ".jpg"))) as image:
            assert {layer[1:3] for layer in image.layer} == {(1, 1)}

    @pytest.mark.parametrize(
        ("suffix", "bit_depth"), [(".png", 16)] + [(suffix, 8) for suffix in images.SUFFIXES if suffix != ".bmp"]
    )
    def test_the_srgb_profile_is_embedded_where_it_can_be(self, suffix, bit_depth):
        with Image.open(io.BytesIO(images.encode(smooth(), suffix, bit_depth=bit_depth))) as image:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in embedded.profile.profile_description

    def test_the_same_pixels_give_the_same_bytes_in_another_process(self):
        code = (
            "import hashlib, numpy as np; from nst_tf.pictures import images\n"
            "pixels = np.linspace(0, 1, 300).reshape(10, 10, 3)\n"
            "for suffix in images.SUFFIXES: print(suffix, hashlib.sha256(images.encode(pixels, suffix)).hexdigest())"
        )
        elsewhere = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        pixels = np.linspace(0, 1, 300).reshape(10, 10, 3)
        here = {suffix: hashlib.sha256(images.encode(pixels, suffix)).hexdigest() for suffix in images.SUFFIXES}
        assert dict(line.split() for line in elsewhere.splitlines()) == here

    def test_the_profile_has_no_time_of_day(self):
        assert struct.unpack(">6H", icc.srgb_profile()[24:36]) == (1999, 10, 18, 0, 0, 0)

    @pytest.mark.parametrize(("suffix", "bit_depth"), [(".png", 8), (".png", 16), (".webp", 8), (".tif", 8)])
    def test_the_alpha_is_put_back_where_the_format_has_it(self, suffix, bit_depth):
        alpha = smooth()[..., :1]
        picture = images.load(images.encode(smooth(), suffix, alpha=alpha, bit_depth=bit_depth))
        np.testing.assert_allclose(picture.alpha, alpha, atol=0.5 / (2**bit_depth - 1) + 1e-6)

    @pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
    def test_the_alpha_is_flattened_on_white_where_it_has_none(self, suffix):
        data = images.encode(np.zeros((8, 8, 3)), suffix, alpha=np.full((1, 8, 8, 1), 0.2))
        np.testing.assert_allclose(images.load(data).pixels, 0.8, atol=0.01)

    def test_an_alpha_of_another_size_is_refused(self):
        with pytest.raises(errors.ImageError, match=r"alpha must be \[1, 8, 8, 1\]"):
            images.encode(np.zeros((8, 8, 3)), ".png", alpha=np.zeros((1, 4, 4, 1)))

    @pytest.mark.parametrize("alpha", [np.full((1, 8, 8, 1), np.nan), np.full((1, 8, 8, 1), 255.0)])
    def test_an_alpha_out_of_range_is_refused(self, alpha):
        with pytest.raises(errors.ImageError, match="alpha: "):
            images.encode(np.zeros((8, 8, 3)), ".png", alpha=alpha)

    def test_nan_is_refused(self):
        with pytest.raises(errors.ImageError, match="must be finite"):
            images.encode(np.full((1, 2, 2, 3), np.nan, np.float32), ".png")

    @pytest.mark.parametrize("suffix", [".gif", ".heic", "", "png"])
    def test_an_unknown_suffix_is_answered_with_the_known_ones(self, suffix):
        with pytest.raises(errors.OutputError, match=r"\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff, \.bmp"):
            images.encode(smooth(), suffix)

    def test_the_suffix_may_be_in_capitals(self):
        assert images.encode(smooth(), ".PNG") == images.encode(smooth(), ".png")

    @pytest.mark.parametrize(("suffix", "bit_depth", "mend"), [(".jpg", 16, r"Save as \.png"), (".png", 12, "Use 8")])
    def test_a_depth_the_format_has_not_is_refused(self, suffix, bit_depth, mend):
        with pytest.raises(errors.OutputError, match=rf"Received: bit_depth={bit_depth}\. {mend}"):
            images.encode(smooth(), suffix, bit_depth=bit_depth)

    @pytest.mark.parametrize(("suffix", "side_px"), [(".webp", 16384), (".jpg", 65501)])
    def test_a_side_the_format_cannot_hold_is_refused(self, suffix, side_px):
        with pytest.raises(errors.OutputError, match=r"Save as \.png or \.tif"):
            images.encode(np.zeros((1, side_px, 3)), suffix)


class TestSave:
    def test_writes_what_encode_gives(self, tmp_path):
        assert images.save(tmp_path / "new" / "a.png", smooth()) == ()
        assert (tmp_path / "new" / "a.png").read_bytes() == images.encode(smooth(), ".png")

    def test_leaves_no_temporary_file(self, tmp_path):
        images.save(tmp_path / "a.jpg", smooth())
        assert os.listdir(tmp_path) == ["a.jpg"]

    def test_notes_a_flattened_alpha(self, tmp_path):
        notes = images.save(tmp_path / "a.jpg", smooth(), alpha=smooth()[..., :1])
        assert notes == ("alpha flattened on white: JPEG has none",)

    def test_notes_nothing_where_the_alpha_is_kept(self, tmp_path):
        assert images.save(tmp_path / "a.png", smooth(), alpha=smooth()[..., :1]) == ()

    def test_keeps_the_old_file_when_the_pixels_are_refused(self, tmp_path):
        images.save(tmp_path / "a.png", smooth())
        before = (tmp_path / "a.png").read_bytes()
        with pytest.raises(errors.ImageError, match=r"a\.png"):
            images.save(tmp_path / "a.png", np.full((2, 2, 3), np.nan))
        assert (tmp_path / "a.png").read_bytes() == before

    def test_a_folder_is_refused(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(errors.OutputError, match="a folder"):
            images.save(tmp_path / "a.png", smooth())


class TestCheckWritable:
    def test_passes_where_save_will(self, tmp_path):
        images.check_writable(tmp_path / "new" / "a.png", bit_depth=16)
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(("name", "bit_depth"), [("a", 8), ("a.gif", 8), ("a.jpg", 16)])
    def test_refuses_a_format_before_touching_the_disk(self, tmp_path, name, bit_depth):
        with pytest.raises(errors.OutputError, match="Received"):
            images.check_writable(tmp_path / "new" / name, bit_depth=bit_depth)
        assert os.listdir(tmp_path) == []

    def test_refuses_a_file_where_the_folder_should_be(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(errors.OutputError, match="where a folder should be"):
            images.check_writable(tmp_path / "file" / "a.png")


@pytest.mark.parametrize(
    ("size", "expected"),
    [((60, 600), (26, 256)), ((60, 6000), (16, 1600)), ((10, 6000), (10, 6000)), ((600, 300), (256, 128))],
)
def test_a_frieze_is_scaled_down_only_as_far_as_its_shorter_side_allows(size, expected):
    assert images.fit(*size, 256, 16) == expected
