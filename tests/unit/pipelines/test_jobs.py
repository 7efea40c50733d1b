import dataclasses
import importlib.util
import os

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.pictures import images
from nst_tf.pipelines import jobs

CONFIG = configs.BatchConfig()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two pictures, one of them in a folder below, and a style."""
    for name in ("a.png", "below/deep/b.png", "style.png"):
        images.save(tmp_path / "photos" / name, np.full([1, 20, 30, 3], 0.5, np.float32))
    os.rename(tmp_path / "photos" / "style.png", tmp_path / "style.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def describe(patterns=("photos/**/*.png",), styles=("style.png",), output_dir="out", config=CONFIG):
    return jobs.describe(patterns, styles, output_dir, config)


def test_a_glob_finds_pictures_at_any_depth_once(folder):
    job = describe(["photos/**/*.png", "photos/a.png"])
    assert job.paths == (str(folder / "photos/a.png"), str(folder / "photos/below/deep/b.png"))


def test_results_are_not_taken_for_pictures(folder):
    images.save("out/a-12345678.png", np.zeros([1, 20, 30, 3], np.float32))
    assert len(describe(["**/*.png"]).paths) == 3  # the style is a picture, too


def test_a_glob_without_a_match_is_refused(folder):
    with pytest.raises(errors.ImageError, match=r"Received: photos/\*\.gif, none.gif, which match none"):
        describe(["photos/*.gif", "none.gif"])


def test_an_output_folder_that_holds_every_picture_is_refused(folder):
    with pytest.raises(errors.ImageError, match="outside --output_dir"):
        describe(["photos/*.png"], output_dir="photos")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"styles": ("missing.png",)}, errors.ImageError, "missing.png"),
        ({"styles": ("empty.png",)}, errors.ImageError, "empty"),
        ({"styles": ("small.png",)}, errors.ImageError, "small.png: the shorter side must be at least 9 px"),
        ({"config": dataclasses.replace(CONFIG, style_blend=(1, 2))}, errors.ConfigError, "Received: 2"),
        ({"config": dataclasses.replace(CONFIG, suffix="gif")}, errors.OutputError, ".gif"),
        ({"output_dir": "style.png/out"}, errors.OutputError, "style.png"),
    ],
)
def test_mistakes_are_met_before_any_work(folder, change, error, words):
    (folder / "empty.png").write_bytes(b"")
    images.save("small.png", np.zeros([1, 8, 30, 3], np.float32))
    with pytest.raises(error, match=words):
        describe(**change)


def test_a_name_is_stem_hash_and_suffix(folder):
    job = describe(config=dataclasses.replace(CONFIG, suffix="jpg"))
    name = os.path.relpath(job.output("/far/photo.tar.png", "ab" * 32), folder)
    assert name.startswith("out/photo.tar-")
    assert name.endswith(".jpg")
    assert len(name) == len("out/photo.tar-12345678.jpg")


def test_the_hash_is_of_the_bytes_the_settings_the_style_and_the_network(folder):
    job = describe()
    others = [
        dataclasses.replace(job, **change)
        for change in (
            {"config": dataclasses.replace(CONFIG, max_side_px=256)},
            {"config": dataclasses.replace(CONFIG, strength=0.5)},
            {"config": dataclasses.replace(CONFIG, style_max_side_px=256)},
            {"style_sha256": ("another",)},
            {"network_sha256": ("another",)},
        )
    ]
    names = {job.output("x.png", "1"), job.output("x.png", "2"), *(other.output("x.png", "1") for other in others)}
    assert len(names) == 2 + len(others)


def test_how_the_work_is_shared_out_and_where_the_style_lies_leave_the_hash(folder):
    job = describe()
    other = dataclasses.replace(
        job, config=dataclasses.replace(CONFIG, batch_size=1, threads=1), styles=("/elsewhere/style.png",), paths=()
    )
    assert other.fingerprint == job.fingerprint


def test_a_missing_package_is_named_with_its_mend(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.NstError, match=r"pip install 'nst-tf\[beam\]'"):
        jobs.check_beam()


def masks_of(folder, *names):
    for name in names:
        images.save(folder / name, np.ones([1, 20, 30, 3], np.float32))


def test_every_picture_has_a_mask_by_its_stem_whatever_the_suffix(folder):
    masks_of(folder, "sky/a.jpg", "sky/b.png", "keep/a.png", "keep/b.png")
    job = jobs.describe(["photos/**/*.png"], ["style.png"], "out", CONFIG, style_masks=["sky"], keep_mask="keep")
    assert job.mask_folders == (str(folder / "sky"), str(folder / "keep"))
    assert jobs.masks_in(job.style_masks[0])["a"] == str(folder / "sky/a.jpg")


@pytest.mark.parametrize(
    ("masks", "error", "words"),
    [
        ({"keep_mask": "sky"}, errors.ImageError, r"must have one for each picture.*none for 1 of 2, such as .*b\.png"),
        ({"style_masks": ["sky", "sky"]}, errors.ConfigError, "style_masks needs one mask for each of the 1"),
        ({"style_masks": ["nowhere"]}, errors.ImageError, "none for 2 of 2"),
    ],
)
def test_masks_that_do_not_fit_the_pictures_are_refused(folder, masks, error, words):
    masks_of(folder, "sky/a.png")
    with pytest.raises(error, match=words):
        jobs.describe(["photos/**/*.png"], ["style.png"], "out", CONFIG, **masks)
