"""The pictures that come with the package."""

import hashlib
import importlib.resources
import pathlib

import pytest

from nst_tf import errors
from nst_tf.pictures import images, samples
from tests.system import command_line


def test_names_are_those_of_the_list():
    assert tuple(sample.name for sample in samples.list_samples()) == samples.NAMES


def test_there_are_photographs_and_paintings_people_know():
    named = {sample.name: sample.kind for sample in samples.list_samples()}
    photographs = {"temple", "cat", "astronaut", "coffee", "raccoon", "flower", "skylab"}
    paintings = {"starry-night", "great-wave", "auvers", "composition-viii", "summertime", "bouquet", "redon", "ejiri"}
    assert {name for name, kind in named.items() if kind == "photograph"} >= photographs
    assert {name for name, kind in named.items() if kind == "painting"} >= paintings


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("launch-pad", "34bec2f3fda23fff5ec4ea72ec9ede38f4e5fe96175833732c4cdc709da70db4"),
        ("shuttle-landing", "655826c0810bcbb49c11cbb77c40d031327db8e9bb48410ffb2eabb7ac0e9f9f"),
        ("hiroshige", "07ef411779133e7f1fed1336e37a76c5a12ebe470bc142b28c69b8a7a0eb316f"),
        ("van-gogh", "bb6b9bab46ad501405edce1a7725a1d0a87febdd1946f3a91a0603a2bfff2ecd"),
        ("cezanne", "9dc8a4a9b62a87cbb3f4cac0c88c7157db14312b6e9377a3b6623c180eab3736"),
        ("turner", "fe8f43fb3b83822e25d52c318571501e9290a62c0e8364214710903e227a7eea"),
    ],
)
def test_the_six_that_weights_are_normalised_over_keep_their_name_and_every_byte(name, sha256):
    assert hashlib.sha256(samples.path(name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("name", samples.NAMES)
def test_each_is_a_whole_picture(name):
    picture = images.load(samples.PREFIX + name)
    assert 450 <= max(picture.height_px, picture.width_px) <= 1024
    assert min(picture.height_px, picture.width_px) >= 300
    assert picture.alpha is None
    assert picture.name == f"sample:{name}"


def test_load_scales_down():
    picture = images.load("sample:turner", max_side_px=64)
    assert picture.width_px == 64


def test_whoever_reads_a_cc_by_picture_is_asked_to_credit_its_author_and_licence():
    (note,) = images.load("sample:temple", max_side_px=16).notes
    assert "danielbuechele" in note
    assert "CC BY 2.0" in note


def test_no_note_comes_with_a_picture_that_asks_for_no_credit():
    free = [sample for sample in samples.list_samples() if not sample.status.startswith("CC BY")]
    assert all(samples.notes(samples.PREFIX + sample.name) == () for sample in free)
    assert samples.notes("temple.jpg") == ()


def test_together_they_are_under_4_megabytes():
    assert sum(samples.path(name).stat().st_size for name in samples.NAMES) < 4_000_000


def test_the_folder_holds_no_picture_that_is_not_listed():
    folder = importlib.resources.files("nst_tf.pictures.samples")
    found = {entry.name for entry in folder.iterdir() if entry.name.endswith(".jpg")}
    assert found == {sample.file_name for sample in samples.list_samples()}


@pytest.mark.parametrize("sample", samples.list_samples(), ids=lambda sample: sample.name)
def test_the_readme_tells_where_each_is_from(sample):
    text = importlib.resources.files("nst_tf.pictures.samples").joinpath("README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| {sample.file_name} |"))
    for fact in (sample.title, sample.author, sample.year, sample.kind, sample.status, sample.source):
        assert fact in row
    if sample.must_be_credited:
        assert f"* {sample.credit}" in text


def test_the_readme_explains_the_status_of_reproductions():
    text = importlib.resources.files("nst_tf.pictures.samples").joinpath("README.md").read_text(encoding="utf-8")
    assert samples.REPRODUCTION_NOTE in " ".join(text.split())


@pytest.mark.parametrize("sample", samples.list_samples(), ids=lambda sample: sample.name)
def test_notice_names_each_and_its_author(sample):
    notice = " ".join((command_line.ROOT / "NOTICE").read_text(encoding="utf-8").split())
    assert sample.file_name in notice
    if sample.source.startswith("The Metropolitan"):
        assert "The Metropolitan Museum of Art, Open Access" in notice
    else:
        assert sample.author in notice


def test_an_older_name_gives_the_same_picture():
    assert samples.path("van-gogh") == samples.path("bouquet")


def test_path_of_gives_the_path_of_a_sample():
    assert samples.path_of("sample:launch-pad") == samples.path("launch-pad")


@pytest.mark.parametrize("text", ["photo.jpg", "./sample:turner", "launch-pad"])
def test_path_of_leaves_other_paths_alone(text):
    assert samples.path_of(text) == pathlib.Path(text)


@pytest.mark.parametrize("call", [samples.path, lambda name: images.load(f"sample:{name}")])
def test_an_unknown_name_is_answered_with_the_known_ones(call):
    with pytest.raises(errors.ImageError, match=r"launch-pad.*turner.*Received: 'mona-lisa'"):
        call("mona-lisa")


def test_a_sample_of_no_such_name_is_refused_once_with_the_names():
    with pytest.raises(errors.ImageError) as error:
        images.load("sample:poppies")
    assert str(error.value).startswith("sample:poppies: a sample's name must be one of temple, ")
    assert str(error.value).endswith(" Received: 'poppies'. Choose one.")
