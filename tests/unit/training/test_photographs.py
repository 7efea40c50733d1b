import numpy as np
import pytest

from nst_tf import errors
from nst_tf.pictures import images
from nst_tf.training import photographs
from tests.tiny import tiny_network


@pytest.fixture
def folder(tmp_path):
    """Three photographs of several formats and sizes, one of them below another folder, and a text."""
    (tmp_path / "deep").mkdir()
    for seed, (name, size) in enumerate({"a.png": (90, 120), "b.jpg": (70, 80), "deep/c.webp": (20, 30)}.items()):
        images.save(tmp_path / name, tiny_network.picture(*size, seed=seed))
    (tmp_path / "notes.txt").write_text("no photograph")
    return tmp_path


def squares(sources, side_px=32, flat_share=0.0, seed=0, on_message=lambda _: None):
    return photographs.Squares(sources, side_px, flat_share=flat_share, seed=seed, on_message=on_message)


def test_a_folder_is_searched_with_all_below_it_and_a_glob_as_it_says(folder):
    names = [path.removeprefix(f"{folder}/") for path in photographs.find(folder)]
    assert names == ["a.png", "b.jpg", "deep/c.webp"]
    assert photographs.find(f"{folder}/*.jpg") == (f"{folder}/b.jpg",)
    assert len(photographs.find()) >= 2


@pytest.mark.parametrize("where", ["none", "deep/*.jpg", ""])
def test_a_place_without_photographs_is_refused(tmp_path, where):
    with pytest.raises(errors.ImageError, match="Received: no such file there"):
        photographs.find(tmp_path / where)


def test_squares_are_pictures_of_their_side_and_the_same_for_one_seed(folder):
    streams = [squares(photographs.find(folder), flat_share=0.5, seed=seed) for seed in (3, 3, 4)]
    first, second, other = ([next(stream) for _ in range(12)] for stream in streams)
    for square in first:
        assert square.shape == (1, 32, 32, 3)
        assert square.dtype == np.float32
        assert 0 <= square.min() <= square.max() <= 1
    np.testing.assert_array_equal(first, second)
    assert np.abs(np.array(first) - np.array(other)).max() > 0.1


def test_a_photograph_smaller_than_the_square_is_enlarged(folder):
    assert next(squares([str(folder / "deep/c.webp")], side_px=64)).shape == (1, 64, 64, 3)


def test_a_sky_is_even_and_the_rest_stays(folder):
    source = [str(folder / "a.png")]
    for square in (next(squares(source, side_px=64, flat_share=1.0, seed=seed)) for seed in range(5)):
        steps = np.abs(np.diff(square[0, :24], axis=1))
        assert steps.max() < 0.06


def test_photographs_that_cannot_be_read_are_left_out_and_counted(folder):
    (folder / "b.jpg").write_bytes(b"\xff\xd8 cut")
    messages = []
    stream = squares(photographs.find(folder), on_message=messages.append)
    for _ in range(20):
        next(stream)
    assert stream.broken == [f"{folder}/b.jpg"]
    assert len(messages) == 1
    assert messages[0].startswith("left out: ")


def test_when_none_can_be_read_it_is_an_error(folder):
    (folder / "b.jpg").write_bytes(b"")
    with pytest.raises(errors.ImageError, match="Received: 1 that are not"):
        next(squares([str(folder / "b.jpg")]))
