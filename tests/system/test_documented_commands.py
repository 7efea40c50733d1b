"""Every `nst-tf` command that README and the guides show is run, page by page, on small pictures and with few steps."""

import os
import re
import shlex

import numpy as np
import pytest

from nst_tf.pictures import images
from tests.system import command_line
from tests.tiny import tiny_films

pytestmark = [pytest.mark.slow, pytest.mark.weights]

PAGES = sorted(
    path
    for path in (command_line.ROOT / "README.md", *(command_line.ROOT / "docs").glob("*.md"))
    if re.search(r"^ {4}nst-tf ", path.read_text(), flags=re.MULTILINE)
)
NOT_RUN = {  # what a command starts with or holds -> where it is tried instead
    "nst-tf app": "a server that does not end; test_page.py drives it",
    "nst-tf client": "needs a server; test_client.py runs it against one",
    "s3://": "needs a store; test_stores.py has one",
    "nst-tf stylize ...": "an outline",
    " --resume": "needs a run that was killed; test_resume_command.py kills one",
    "--format=onnx": "test_portable.py exports with the optional packages",
    "--format=litert": "test_portable.py exports with the optional packages",
}
SMALLER = {  # flags that come last, and so count
    "stylize": ["--size=48", "--scales=1", "--steps=2"],
    "figure": ["--size=48", "--coarse_steps=1", "--steps=2"],
    "sheet": ["--size=48"],
    "train": ["--steps=1"],
    "video": ["--frames=3", "--size=48"],
    "batch": ["--size=48"],
    "export": ["--size=64"],
}
STAND_INS = {"NAME": "ratio", "PRESET": "gatys"}


def commands_of(page):
    """The command lines of a page, in their order, their continued lines joined."""
    text = re.sub(r"\\\n *", " ", page.read_text())
    return [line.strip() for line in re.findall(r"^ {4}(nst-tf \w.*)$", text, flags=re.MULTILINE)]


def words_of(line):
    """A command's words, with stand-ins for what the reader is to fill in and smaller work."""
    for word, instead in STAND_INS.items():
        line = re.sub(rf"\b{word}\b", instead, line)
    words = shlex.split(line, comments=True)[1:]
    end = words.index("--") if "--" in words else len(words)
    given = {word.split("=")[0] for word in words}
    job, smaller = words[0], SMALLER.get(words[0], [])
    is_one_pass = "--method=adain" in words or "--method=recolour" in words or any(".style" in w for w in words)
    if job != "train" and (is_one_pass or any("=style:" in word for word in words)):
        smaller = [flag for flag in smaller if not flag.startswith(("--scales", "--steps"))]
    if "--coarse_steps" in given:
        smaller = [flag for flag in smaller if not flag.startswith("--scales")] + ["--coarse_steps=1"]
    if "--architecture=one-style" in words:
        smaller = [*smaller, "--width=4", "--blocks=1", "--crop_px=128"]
    return words[:end] + smaller + words[end:]


@pytest.fixture
def folder(tmp_path):
    """What the guides take for granted: pictures, masks, a film and folders of them."""
    generator = np.random.default_rng(0)
    for name in ("photo", "other", "painting", "day", "dusk"):
        images.save(tmp_path / f"{name}.jpg", generator.random([1, 72, 96, 3]).astype(np.float32))
    for name in ("gatys", "adain"):
        images.save(tmp_path / f"{name}.png", generator.random([1, 72, 96, 3]).astype(np.float32))
    for folder in ("photos", "paintings"):
        (tmp_path / folder).mkdir()
        images.save(tmp_path / folder / "one.jpg", generator.random([1, 200, 256, 3]).astype(np.float32))
    for name, content in (("sky", "launch-pad"), ("land", "launch-pad"), ("face", "astronaut")):
        height, width = images.load(f"sample:{content}").pixels.shape[1:3]
        mask = np.zeros([1, height, width, 3], np.float32)
        mask[:, : height // 2] = name != "land"
        mask[:, height // 2 :] = name == "land"
        images.save(tmp_path / f"{name}.png", mask)
    tiny_films.write(tmp_path / "clip.mp4", [tiny_films.frame(number) for number in range(6)])
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_guide_run(commands, folder, page):
    shown = commands_of(page)
    run = [line for line in shown if not any(reason in line for reason in NOT_RUN)]
    for line in run:
        words = words_of(line)
        code, _, stderr = commands.run(*words, folder=folder, env={"PYTHONPATH": os.fspath(command_line.ROOT)})
        assert code == 0, f"{line}\n{' '.join(words)}\n{stderr}"
