"""A user's mistake ends in one line that says what is wrong and how to fix it, exit code 2, and no file."""

import struct
import zlib

import numpy as np
import pytest

from nst_tf.pictures import images
from tests.system import command_line


def png_header(width, height):
    """A PNG that claims a size and holds almost no data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    good = images.encode(np.full([1, 40, 40, 3], 0.5, np.float32), ".png")
    (folder / "good.png").write_bytes(good)
    (folder / "truncated.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is not a picture\n" * 20)
    (folder / "bomb.png").write_bytes(png_header(100_000, 100_000))
    (folder / "pixel.png").write_bytes(images.encode(np.ones([1, 1, 1, 3], np.float32), ".png"))
    (folder / "small.png").write_bytes(images.encode(np.ones([1, 15, 40, 3], np.float32), ".png"))
    (folder / "wide.png").write_bytes(images.encode(np.ones([1, 20, 40, 3], np.float32), ".png"))
    (folder / "black.png").write_bytes(images.encode(np.zeros([1, 40, 40, 3], np.float32), ".png"))
    (folder / "white.png").write_bytes(images.encode(np.ones([1, 40, 40, 3], np.float32), ".png"))
    (folder / "bad.npz").write_bytes(b"not weights")
    (folder / "file").write_text("a file where a folder should be")
    return folder


def stylize(commands, folder, **flags):
    arguments = {"content": folder / "good.png", "style": folder / "good.png", "output": folder / "out" / "out.png"}
    arguments |= flags
    return commands.run("stylize", *(f"--{name}={value}" for name, value in arguments.items() if value is not None))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"content": "{}/missing.jpg"}, ["missing.jpg"]),
        ({"content": "{}"}, ["folder"]),
        ({"content": "{}/truncated.png"}, ["truncated.png"]),
        ({"content": "{}/empty.jpg"}, ["empty.jpg", "empty"]),
        ({"content": "{}/text.jpg"}, ["text.jpg", "text"]),
        ({"content": "{}/bomb.png"}, ["bomb.png", "pixels"]),
        ({"content": "{}/pixel.png"}, ["pixel.png", "at least 16 px", "1 x 1"]),
        ({"style": "{}/small.png"}, ["small.png", "at least 16 px for conv5_1", "40 x 15"]),
        ({"style": "{}/good.png,{}/missing.png"}, ["missing.png"]),
        ({"initialisation": "{}/missing.png"}, ["missing.png"]),
        ({"content": "sample:monet"}, ["monet", "launch-pad"]),
        ({"content_layers": "conv9_9"}, ["conv9_9", "Choose among"]),
        ({"style_layer_weights": "1,x"}, ["style_layer_weights", "1,x"]),
        ({"style_blend": "1,2"}, ["style_blend", "Received: 2"]),
        ({"preset": "monet"}, ["preset", "gatys"]),
        ({"preset": "gatys", "quality": "good"}, ["quality is for the presets default and photo", "preset=gatys"]),
        ({"output": "{}/out/out.xyz"}, [".xyz", ".png"]),
        ({"output": "{}/file/out.png"}, ["file"]),
        ({"output": "{}"}, ["a folder"]),
        ({"output": "{}/out/out.jpg", "bit_depth": "16"}, ["16"]),
        ({"steps": "0"}, ["steps must be at least 1"]),
        ({"steps": "many"}, ["steps", "many"]),
        ({"size": "4"}, ["--size", "at least 16"]),
        ({"memory_budget_mb": "100"}, ["memory_budget_mb", "at least 256"]),
        ({"time_budget_s": "0"}, ["time_budget_s", "above 0"]),
        ({"patience": "-1"}, ["patience", "at least 0"]),
        ({"pooling": "median"}, ["pooling", "average"]),
        ({"nonsense": "1"}, ["nonsense"]),
        ({"content": None}, ["--content is missing"]),
        ({"method": "wct"}, ["method", "gatys", "adain"]),
        ({"method": "adain", "steps": "5"}, ["--steps is a flag of --method=gatys. Received: --method=adain"]),
        ({"style_strength": "2"}, ["strength must be at least 0 and at most 1"]),
        ({"method": "adain", "strength": "-1"}, ["strength must be at least 0 and at most 1"]),
        ({"colours": "photo"}, ["colours", "style", "content", "luminance"]),
        ({"colours": "content", "colour_map": "sym"}, ["colour_map", "mk", "pca", "cholesky"]),
        ({"method": "adain", "content": "{}/pixel.png"}, ["pixel.png", "at least 9 px for AdaIN", "1 x 1"]),
        ({"method": "adain", "style_masks": "{}/small.png"}, ["small.png", "aspect ratio", "40 x 15"]),
        ({"style_masks": "{}/small.png"}, ["small.png", "the content's aspect ratio", "40 x 15"]),
        ({"style_masks": "{}/good.png,{}/good.png"}, ["one mask for each of the 1 style pictures. Received: 2"]),
        ({"style_masks": "{}/black.png"}, ["black.png", "must have white pixels where the style is to go"]),
        ({"style_own_masks": "{}/black.png"}, ["black.png", "where the style is to be taken from"]),
        ({"keep_mask": "{}/black.png"}, ["black.png", "where the content is to stay"]),
        ({"keep_mask": "{}/white.png"}, ["white.png", "must leave something to stylise"]),
        ({"style_size": "64,32"}, ["one size, or one for each of the 1 style pictures. Received: 2"]),
        ({"propagation": "outside"}, ["propagation", "simple", "all", "inside"]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(commands, folder, flags, words):
    flags = {name: value and value.replace("{}", str(folder)) for name, value in flags.items()}
    command_line.assert_refused_in_one_line(*stylize(commands, folder, **flags), words)
    assert not list(folder.glob("**/out.*"))


def test_weights_that_are_none_end_in_one_line_after_the_pictures_were_read(commands, folder):
    code, _, stderr = stylize(commands, folder, weights=folder / "bad.npz")
    assert code == 2
    assert "Traceback" not in stderr
    assert "bad.npz" in stderr.strip().splitlines()[-1]
    assert not list(folder.glob("**/out.*"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"images": ""}, ["--images is missing"]),
        ({"images": "{}/good.png,{}/missing.png"}, ["missing.png"]),
        ({"images": "{}/small.png"}, ["small.png", "at least 16 px for conv5_1", "40 x 15"]),
        ({"images": "{}/wide.png"}, ["wide.png", "aspect ratio", "40 x 20"]),
        ({"objective": "monet"}, ["objective", "gatys"]),
        ({"lpips": "squeeze"}, ["lpips", "alexnet"]),
        ({"output": "{}/file/table.csv"}, ["file"]),
    ],
)
def test_a_mistake_in_an_evaluation_ends_in_one_line_and_exit_code_2(commands, folder, flags, words):
    good = str(folder / "good.png")
    arguments = {"content": good, "style": good, "images": good} | flags
    code, stdout, stderr = commands.run(
        "evaluate", *(f"--{name}={value.replace('{}', str(folder))}" for name, value in arguments.items())
    )
    assert (code, stdout) == (2, "")
    assert "Traceback" not in stderr
    for word in words:
        assert word in stderr.splitlines()[0]


def test_a_positional_argument_is_refused():
    code, _, stderr = command_line.run("stylize", "photo.jpg")
    assert code == 2
    assert "unexpected argument 'photo.jpg'" in stderr


def test_an_unknown_job_is_refused_with_the_choices():
    code, _, stderr = command_line.run("stylise")
    assert code == 2
    assert "stylize" in stderr
