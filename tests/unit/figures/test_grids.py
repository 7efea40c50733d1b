import numpy as np
import pytest

from nst_tf.figures import grids


def cell(row, column, colour=(1, 0, 0), height=120, width=160, **texts):
    pixels = np.broadcast_to(np.array(colour, np.float32), [1, height, width, 3])
    return grids.GridCell(row=row, column=column, pixels=pixels, **texts)


def found(page, colour):
    """Where a colour is: boolean [H, W]."""
    return np.all(np.abs(page[0] - np.array(colour)) < 1e-6, axis=-1)


def test_a_grid_is_a_picture_on_white():
    page = grids.draw([cell(1, 1)], title="Title")
    assert page.dtype == np.float32
    assert page.ndim == 4
    assert page.min() >= 0
    assert page.max() == 1
    assert (page[0, [0, -1]] == 1).all()
    assert (page[0, :, [0, -1]] == 1).all()


def test_cells_stand_in_their_rows_and_columns_whatever_their_order():
    colours = {(1, 1): (1, 0, 0), (1, 2): (0, 1, 0), (2, 1): (0, 0, 1)}
    page = grids.draw([cell(*place, colour) for place, colour in reversed(colours.items())], title="")
    at = {place: np.argwhere(found(page, colour)).min(axis=0) for place, colour in colours.items()}
    assert at[1, 1][0] == at[1, 2][0] < at[2, 1][0]
    assert at[1, 1][1] == at[2, 1][1] < at[1, 2][1]


def test_no_pixel_of_a_large_cell_is_changed():
    page = grids.draw([cell(1, 1, (0.2, 0.4, 0.6), 300, 210)], title="")
    assert found(page, (51 / 255, 102 / 255, 153 / 255)).sum() == 300 * 210


def test_small_cells_are_enlarged_by_a_whole_factor():
    page = grids.draw([cell(1, 1, height=24, width=32)], title="")
    assert found(page, (1, 0, 0)).sum() == 24 * 32 * 7**2


@pytest.mark.parametrize(
    "texts",
    [
        {"title": "A title"},
        {"caption": "How it was made"},
        {"column_title": "alpha/beta", "column_labels": ["1e-3"]},
        {"row_title": "layers", "row_labels": ["conv1_1"]},
        {"sources": [("content: a", np.zeros([1, 10, 20, 3], np.float32))]},
    ],
    ids=lambda texts: "-".join(texts),
)
def test_every_text_is_drawn(texts):
    plain = grids.draw([cell(1, 1)], title="")
    page = grids.draw([cell(1, 1)], **({"title": ""} | texts))
    assert (page < 0.5).all(axis=-1).sum() > (plain < 0.5).all(axis=-1).sum() + 20


@pytest.mark.parametrize("texts", [{"caption": "seed 0"}, {"note": "noise 0.030"}])
def test_a_cells_own_texts_are_drawn_beneath_it(texts):
    page = grids.draw([cell(1, 1, **texts)], title="")
    below = np.argwhere(found(page, (1, 0, 0)))[:, 0].max() + 1
    assert (page[0, below:] < 0.6).any()
    assert (page[0, :below] > 0.6).any(axis=-1).all()


def test_long_texts_are_wrapped_within_the_page():
    short = grids.draw([cell(1, 1)], title="A title", caption="word")
    long = grids.draw([cell(1, 1)], title="A title " * 20, caption="word " * 200)
    assert long.shape[2] == short.shape[2]
    assert long.shape[1] > short.shape[1]
    assert (long[0, :, -5:] == 1).all()


def test_characters_without_a_glyph_become_question_marks():
    strange = grids.draw([cell(1, 1)], title="\u6f22\u5b57 \u03b1")
    np.testing.assert_array_equal(strange, grids.draw([cell(1, 1)], title="?? ?"))


def test_the_same_cells_give_the_same_bytes():
    first, second = (grids.draw([cell(1, 1), cell(1, 2)], title="Title", caption="x") for _ in range(2))
    np.testing.assert_array_equal(first, second)
