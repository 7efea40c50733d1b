"""Colours that a file declares without a profile."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from nst_tf.pictures import images

COLOUR = (200, 100, 50)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, depth=8):
    """A PNG of one colour with chunks after its header."""
    values = np.array(COLOUR, ">u2") * 257 if depth == 16 else np.array(COLOUR, np.uint8)
    rows = (b"\0" + np.tile(values, 2).tobytes()) * 2
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, depth, 2, 0, 0, 0))
    parts = [header, *(chunk(*c) for c in chunks), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gamma(value):
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def cicp(*values):
    return b"cICP", bytes(values)


# The expected colours are by the published matrices of Display P3 and Adobe RGB to linear sRGB, by hand.
P3_CHRM = b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "expected", "note"),
    [
        ([], COLOUR, None),
        ([gamma(0.45455)], COLOUR, None),
        ([gamma(1.0), (b"sRGB", b"\0")], COLOUR, None),
        ([gamma(1.0)], (229, 168, 122), "converted from the gAMA chunk, 1, to sRGB"),
        ([cicp(1, 13, 0, 1)], COLOUR, None),
        ([cicp(12, 13, 0, 1)], (215, 93, 31), "converted from Display P3 of the cICP chunk to sRGB"),
        ([cicp(12, 13, 0, 1), gamma(1.0)], (215, 93, 31), "Display P3"),
        ([P3_CHRM, gamma(0.45455)], (215, 93, 31), "converted from the primaries of the cHRM chunk to sRGB"),
        ([cicp(9, 16, 0, 1)], COLOUR, "ignored the cICP chunk (primaries 9, PQ): the colours were taken as sRGB"),
    ],
)
def test_what_a_png_says_of_its_colours_is_heeded_or_noted(chunks, expected, note, depth):
    picture = images.load(png(*chunks, depth=depth))
    np.testing.assert_allclose(picture.pixels[0, 0, 0] * 255, expected, atol=1.1)
    assert bool(picture.notes) == bool(note)
    assert not note or note in picture.notes[0]


@pytest.mark.parametrize(("interop", "expected"), [("R03", (227, 100, 42)), ("R98", COLOUR)])
def test_adobe_rgb_that_only_the_exif_data_declares_is_converted(interop, expected):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 0xFFFF
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {ExifTags.Interop.InteropIndex: interop}
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), COLOUR).save(buffer, "JPEG", quality=100, subsampling=0, exif=exif)
    picture = images.load(buffer.getvalue())
    np.testing.assert_allclose(picture.pixels[0, 8, 8] * 255, expected, atol=4)
    assert any("Adobe RGB" in note for note in picture.notes) == (interop == "R03")


def test_chunks_that_make_no_sense_are_no_reason_to_fail():
    for chunks in ([(b"cHRM", bytes(32)), gamma(0.5)], [gamma(0)], [(b"cICP", b"\1")]):
        np.testing.assert_allclose(images.load(png(*chunks)).pixels[0, 0, 0] * 255, COLOUR, atol=25)
