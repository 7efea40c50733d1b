import dataclasses
import hashlib
import json

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import multi_style, paintings, style_files
from tests.tiny import tiny_multi_style

STYLE = tiny_multi_style.style_file(sizes_px=(128, 256, 512))
FILE = style_files.encode(STYLE)
TEXT_START = 48


def with_header(**changes):
    """The file with another header, and checksums that match it."""
    length = int.from_bytes(FILE[8:16], "little")
    header = json.loads(FILE[TEXT_START : TEXT_START + length]) | changes
    text = json.dumps(header).encode()
    content = FILE[:8] + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text
    content += FILE[TEXT_START + length : -32]
    return content + hashlib.sha256(content).digest()


def test_a_style_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "x.style"
    style_files.write(path, STYLE)
    found = style_files.read(path)
    for name in ("name", "network_sha256", "stroke_sizes_px", "about"):
        assert getattr(found, name) == getattr(STYLE, name)
    np.testing.assert_array_equal(found.gamma, STYLE.gamma)
    np.testing.assert_array_equal(found.beta, STYLE.beta)
    assert path.read_bytes() == style_files.encode(found)


@pytest.mark.parametrize("length", [0, 7, 8, 20, 47, 48, 60, len(FILE) - 33, len(FILE) - 1])
def test_a_truncated_file_is_refused_in_one_line(length):
    with pytest.raises(errors.StyleError) as error:
        style_files.decode(FILE[:length], "x.style")
    assert str(error.value).startswith("x.style: a style must be a whole file")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", range(0, len(FILE), 41))
def test_a_changed_byte_is_noticed(place):
    content = bytearray(FILE)
    content[place] ^= 1
    with pytest.raises(errors.StyleError):
        style_files.decode(bytes(content), "x.style")


def test_another_version_is_named():
    with pytest.raises(errors.StyleError, match="a style of another version"):
        style_files.decode(b"NSTSTYL2" + FILE[8:], "x.style")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"numbers": 10**12}, "bytes for 3 sizes"),
        ({"numbers": -1}, "sizes of another kind"),
        ({"numbers": True}, "sizes of another kind"),
        ({"stroke_sizes_px": []}, "sizes of another kind"),
        ({"stroke_sizes_px": [1, 2, 2]}, "do not ascend"),
        ({"stroke_sizes_px": [1, 2, 10**9]}, "do not ascend"),
        ({"stroke_sizes_px": ["a", 2, 3]}, "do not ascend"),
        ({"stroke_sizes_px": [256]}, "bytes for 1 sizes"),
        ({"name": 5}, "of another type"),
        ({"about": []}, "of another type"),
        ({"network_sha256": None}, "of another type"),
    ],
)
def test_a_header_that_lies_is_refused(changes, words):
    with pytest.raises(errors.StyleError, match=words):
        style_files.decode(with_header(**changes), "x.style")


def test_a_header_of_absurd_length_is_not_read():
    with pytest.raises(errors.StyleError, match="its end is missing"):
        style_files.decode(FILE[:8] + (2**63).to_bytes(8, "little") + FILE[16:], "x.style")


def test_values_that_are_not_finite_are_refused():
    style = tiny_multi_style.style_file(gamma=np.full([1, 4], np.nan, np.float32), beta=np.zeros([1, 4], np.float32))
    with pytest.raises(errors.StyleError, match="NaN"):
        style_files.decode(style_files.encode(style), "x.style")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"JFIF")])
def test_no_file_a_folder_and_a_picture_are_refused(tmp_path, make):
    make(tmp_path / "x.style")
    with pytest.raises(errors.StyleError, match=r"x\.style: "):
        style_files.read(tmp_path / "x.style")


def test_strokes_between_two_sizes_are_interpolated_by_the_logarithm():
    np.testing.assert_allclose(STYLE.at(128)[0], STYLE.gamma[0])
    np.testing.assert_allclose(STYLE.at(512)[1], STYLE.beta[2])
    np.testing.assert_allclose(STYLE.at(181)[0], STYLE.gamma[:2].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(STYLE.at(16)[0], STYLE.gamma[0])
    np.testing.assert_allclose(STYLE.at(4096)[0], STYLE.gamma[2])
    np.testing.assert_allclose(STYLE.at(None)[0], STYLE.gamma[1])


def test_every_style_that_comes_with_the_package_is_whole_and_small():
    for name in style_files.shipped_names():
        style = style_files.shipped(name)
        assert style.name == name
        assert style.network_sha256 == paintings.SHA256
        assert len(style_files.encode(style)) < 21_000
        assert "/" not in json.dumps(style.about["painting"])


def test_a_style_that_does_not_come_with_the_package_is_refused_with_the_names():
    with pytest.raises(errors.StyleError, match="style:nothing: a style's name must be one of "):
        style_files.shipped("nothing")


def own_network():
    """A style that brings its network along."""
    kernels = {
        layer: kernel.astype(np.float16).astype(np.float32) for layer, kernel in tiny_multi_style.kernels().items()
    }
    return tiny_multi_style.style_file(kernels=kernels, network_sha256=multi_style.kernels_sha256(kernels))


def test_a_style_with_a_network_of_its_own_is_read_back_and_names_its_method():
    written = own_network()
    found = style_files.decode(style_files.encode(written), "x.style")
    assert (STYLE.method, found.method) == ("multi-style", "one-style")
    assert list(found.kernels) == list(written.kernels)
    for layer, kernel in written.kernels.items():
        np.testing.assert_array_equal(found.kernels[layer], kernel)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda style: {"network_sha256": "0" * 64}, "scales and shifts of another network"),
        (lambda style: {"kernels": dict(list(style.kernels.items())[1:])}, "the layers contract.1"),
        (lambda style: {"kernels": style.kernels | {"expand.2": np.full([9, 9, 4, 3], np.nan, np.float32)}}, "NaN"),
        (lambda style: {"kernels": style.kernels | {"expand.2": np.zeros([9, 9, 5, 3], np.float32)}}, "a kernel"),
    ],
)
def test_kernels_of_no_such_network_are_refused(change, words):
    style = own_network()
    with pytest.raises(errors.StyleError, match=words):
        style_files.decode(style_files.encode(dataclasses.replace(style, **change(style))), "x.style")
