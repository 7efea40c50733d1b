"""The pictures that come with the package."""

import importlib.resources
import pathlib

import pytest

from nst_tf import errors
from nst_tf.pictures import images, samples


def test_names_are_those_of_the_list():
    assert tuple(sample.name for sample in samples.list_samples()) == samples.NAMES


def test_there_are_two_photographs_and_four_paintings():
    kinds = [sample.kind for sample in samples.list_samples()]
    assert (kinds.count("photograph"), kinds.count("painting")) == (2, 4)


@pytest.mark.parametrize("name", samples.NAMES)
def test_each_is_a_sharp_enough_picture_without_notes(name):
    picture = images.load(samples.PREFIX + name)
    assert 1000 <= max(picture.height_px, picture.width_px) <= 1024
    assert min(picture.height_px, picture.width_px) >= 700
    assert picture.notes == ()
    assert picture.alpha is None
    assert picture.name == f"sample:{name}"


def test_load_scales_down():
    picture = images.load("sample:turner", max_side_px=64)
    assert picture.width_px == 64


def test_together_they_are_under_1_2_megabytes():
    assert sum(samples.path(name).stat().st_size for name in samples.NAMES) < 1_200_000


def test_the_folder_holds_no_picture_that_is_not_listed():
    folder = importlib.resources.files("nst_tf.pictures.samples")
    found = {entry.name for entry in folder.iterdir() if entry.name.endswith(".jpg")}
    assert found == {sample.file_name for sample in samples.list_samples()}


@pytest.mark.parametrize("sample", samples.list_samples(), ids=lambda sample: sample.name)
def test_the_readme_tells_where_each_is_from(sample):
    text = importlib.resources.files("nst_tf.pictures.samples").joinpath("README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| {sample.file_name} |"))
    for fact in (sample.title, sample.author, sample.year, sample.collection, sample.number, sample.status):
        assert fact in row


def test_path_of_gives_the_path_of_a_sample():
    assert samples.path_of("sample:launch-pad") == samples.path("launch-pad")


@pytest.mark.parametrize("text", ["photo.jpg", "./sample:turner", "launch-pad"])
def test_path_of_leaves_other_paths_alone(text):
    assert samples.path_of(text) == pathlib.Path(text)


@pytest.mark.parametrize("call", [samples.path, lambda name: images.load(f"sample:{name}")])
def test_an_unknown_name_is_answered_with_the_known_ones(call):
    with pytest.raises(errors.ImageError, match=r"launch-pad.*turner.*Received: 'mona-lisa'"):
        call("mona-lisa")
