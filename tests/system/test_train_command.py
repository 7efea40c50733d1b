"""`nst-tf train`, and drawing what it learned."""

import json

import pytest

from nst_tf.pictures import images
from nst_tf.weights import style_files
from tests.system import command_line
from tests.tiny import tiny_multi_style, tiny_network


@pytest.fixture
def photo(tmp_path):
    images.save(tmp_path / "photo.png", tiny_network.picture(48, 64))
    return tmp_path / "photo.png"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--style={photo}"], "--output is missing"),
        (["--style={photo}", "--output={folder}/x.jpg"], "--output must end in .style"),
        (["--style={folder}/none.jpg", "--output={folder}/x.style"], "no such file"),
        (["--style={photo}", "--output={folder}/x.style", "--photographs={folder}/none"], "photographs to train on"),
        (["--style={photo}", "--output={folder}/x.style", "--stroke_sizes=300,200"], "whole numbers that ascend"),
        (["--style={photo}", "--output={folder}/x.style", "--width=8"], "a flag of --architecture=one-style"),
        (["--style={photo}", "--output={folder}/x.style", "--resume"], "a flag of --architecture=one-style"),
    ],
)
def test_a_mistake_is_answered_in_one_line_before_tensorflow_loads(commands, tmp_path, photo, flags, words):
    flags = [flag.format(photo=photo, folder=tmp_path) for flag in flags]
    command_line.assert_refused_in_one_line(*commands.run("train", *flags), [words])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--style={folder}/tiny.style", "--method=gatys"], "which only --method=multi-style or one-style draws"),
        (["--style={folder}/tiny.style,{photo}"], "which only --method=multi-style or one-style draws"),
        (["--style={folder}/tiny.style", "--method=one-style"], "needs a style with a network of its own"),
        (["--style={photo}", "--method=multi-style"], "nst-tf train --style=painting.jpg"),
        (["--style={folder}/cut.style"], "a style must be a whole file"),
        (["--style=style:no-such-painting"], "a style's name must be one of"),
        (["--style=style:1", "--decoder=a.h5"], "--decoder is a flag of --method=adain"),
    ],
)
def test_styles_that_cannot_be_drawn_are_refused_in_one_line(commands, tmp_path, photo, flags, words):
    style_files.write(tmp_path / "tiny.style", tiny_multi_style.style_file())
    (tmp_path / "cut.style").write_bytes((tmp_path / "tiny.style").read_bytes()[:99])
    flags = [flag.format(photo=photo, folder=tmp_path) for flag in flags]
    out = tmp_path / "out.png"
    run = commands.run("stylize", f"--content={photo}", f"--output={out}", *flags)
    command_line.assert_refused_in_one_line(*run, [words])
    assert not out.exists()


@pytest.mark.weights
def test_a_network_of_one_style_is_trained_and_then_drawn_without_naming_the_method(commands, tmp_path, photo):
    style, out = tmp_path / "own.style", tmp_path / "out.png"
    training = ["--architecture=one-style", "--style=sample:hiroshige", f"--output={style}", "--steps=2"]
    training += ["--crop_px=128", "--coarse_share=1", "--width=4", "--blocks=1", f"--checkpoint_dir={tmp_path}/run"]
    code, _, stderr = commands.run("train", *training, "--stroke_size=96", "--checkpoint_interval_s=0")
    assert code == 0, stderr
    assert not list((tmp_path / "run").glob("*.checkpoint"))
    code, _, stderr = commands.run("stylize", f"--content={photo}", f"--style={style}", f"--output={out}")
    assert code == 0, stderr
    assert images.load(out).pixels.shape == (1, 48, 64, 3)
    assert json.loads((tmp_path / "out.png.json").read_text())["method"] == "one-style"


@pytest.mark.slow  # a second training; its loop has tests of its own, and the way to a picture is that above
@pytest.mark.weights
def test_a_style_is_trained_and_then_drawn_without_naming_the_method(commands, tmp_path, photo):
    style, out = tmp_path / "mine.style", tmp_path / "out.png"
    training = ["--style=sample:hiroshige", f"--output={style}", "--steps=3", "--crop_px=64", "--stroke_sizes=96"]
    code, _, stderr = commands.run("train", *training)
    assert code == 0, stderr
    assert f"wrote {style}" in stderr
    assert images.load(f"{style}.preview.png").width_px > 64
    flags = [f"--content={photo}", f"--style={style},style:redon", "--style_blend=3,1", f"--output={out}"]
    code, _, stderr = commands.run("stylize", *flags)
    assert code == 0, stderr
    assert images.load(out).pixels.shape == (1, 48, 64, 3)
