import numpy as np
import pytest
from PIL import Image, ImageFilter

from nst_tf import errors
from nst_tf.pictures import colours, luts
from tests.tiny import tiny_network

BEFORE = tiny_network.picture(60, 80, seed=1)
LIKE = tiny_network.picture(60, 80, seed=2)


def curved(pixels):
    """Colours as a photographer might change them: a curve on red, and some green in the blue."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return np.stack([red**1.5, 0.9 * green + 0.05, 0.8 * blue + 0.1 * green**2], axis=-1).astype(np.float32)


def parsed(path):
    """The nodes of a .cube file, [n, n, n, 3] by red, green and blue, read as its specification says."""
    size, rows = 0, []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] == "LUT_3D_SIZE":
            size = int(words[1])
        elif words[0] != "TITLE":
            rows.append([float(word) for word in words])
    return np.array(rows, np.float32).reshape(size, size, size, 3).transpose(2, 1, 0, 3)


@pytest.mark.parametrize("change", [curved, lambda pixels: colours.match(pixels, LIKE, "mk")], ids=["curve", "mk"])
def test_a_table_read_back_gives_the_results_colours_within_the_stated_error(change, tmp_path):
    after = change(BEFORE)
    fitted = luts.fit(BEFORE, after)
    luts.save(tmp_path / "look.cube", fitted.lut, "look")
    made = luts.Lut(parsed(tmp_path / "look.cube")).apply(BEFORE)
    error = np.sqrt(np.mean((made - after) ** 2)) * 255
    assert error == pytest.approx(fitted.error_levels, abs=0.01)
    assert fitted.error_levels < 1


def test_pillow_makes_the_same_colours_of_the_table(tmp_path):
    fitted = luts.fit(BEFORE, curved(BEFORE))
    luts.save(tmp_path / "look.cube", fitted.lut, "look")
    rows = parsed(tmp_path / "look.cube").transpose(2, 1, 0, 3).reshape(-1, 3)
    table = ImageFilter.Color3DLUT(luts.NODES, [tuple(row) for row in rows.tolist()])
    levels = np.rint(BEFORE[0] * 255).astype(np.uint8)
    made = np.asarray(Image.fromarray(levels).filter(table)).astype(float)
    assert np.abs(made - 255 * fitted.lut.apply(levels / np.float32(255))).max() <= 1.01


def test_the_error_is_stated_where_one_colour_became_several():
    flat = np.full([1, 40, 40, 3], 0.5, np.float32)
    halves = np.concatenate([np.full([1, 40, 20, 3], 0.3), np.full([1, 40, 20, 3], 0.5)], axis=2).astype(np.float32)
    fitted = luts.fit(flat, halves)
    assert fitted.error_levels == pytest.approx(0.1 * 255, rel=0.01)
    np.testing.assert_allclose(fitted.lut.apply(flat[:, :1, :1]), 0.4, atol=0.01)


def test_colours_that_the_picture_lacks_follow_those_it_has():
    fitted = luts.fit(0.3 + 0.4 * BEFORE, 0.9 * (0.3 + 0.4 * BEFORE))
    white = np.ones([1, 1, 1, 3], np.float32)
    np.testing.assert_allclose(fitted.lut.apply(white), 0.9, atol=0.02)


@pytest.mark.parametrize("name", ["look.png", "look"])
def test_another_suffix_is_refused(name, tmp_path):
    with pytest.raises(errors.OutputError, match=r"a table of colours must end in \.cube"):
        luts.check_writable(tmp_path / name)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(errors.ImageError, match=r"the picture must be \[1, 60, 80, 3\]"):
        luts.fit(BEFORE, BEFORE[:, :-1])
