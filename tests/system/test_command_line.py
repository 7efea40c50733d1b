"""The command line from the outside: help, a real run, snapshots, Ctrl-C, a terminal."""

import csv
import dataclasses
import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys

import numpy as np
import pytest

from nst_tf import configs
from nst_tf.pictures import images
from tests.system import command_line

RUN = ("stylize", "--content=sample:launch-pad", "--style=sample:hiroshige", "--size=64")
# Terms against faults are shown only above 0.
TERMS = r"content \S+, style \S+, total variation \S+(, specks \S+)?(, frame \S+)?(, crosshatch \S+)?\)"
QUICK = ("--lbfgs_memory=2",)  # where the optimiser is beside the point: 20 pairs take seconds more to trace


def test_help_answers_within_a_second_and_lists_the_jobs():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, stdout, _ = command_line.run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1  # whatever else the machine does
    assert code == 0
    assert "nst-tf stylize --content=photo.jpg" in stdout


def test_help_of_a_job_teaches_every_flag_without_loading_tensorflow():
    code, stdout, stderr = command_line.run("stylize", "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert code == 0
    assert not re.search(r"\| +tensorflow$", stderr, re.MULTILINE)
    for field in dataclasses.fields(configs.StyleTransferConfig):
        assert re.search(rf"^ +--{field.metadata['flag'] or field.name}(=|$)", stdout, re.MULTILINE)
    for heading in ("Input and output", "Picture", "Objective", "Optimisation", "Presets"):
        assert re.search(rf"^{heading}", stdout, re.MULTILINE)
    for name in configs.PRESETS:
        assert name in stdout
    assert "default 512" in stdout


def test_the_version_is_printed():
    code, stdout, _ = command_line.run("--version")
    assert code == 0
    assert re.fullmatch(r"nst-tf \d+\.\d+\.\d+\n", stdout)


def test_importing_the_package_does_no_work():
    code = "import sys, nst_tf; print('tensorflow' in sys.modules, 'keras' in sys.modules, nst_tf.__version__)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=command_line.ROOT
    ).stdout
    assert output.startswith("False False")


@pytest.mark.weights
def test_a_picture_is_stylised_and_its_record_written(tmp_path):
    out = tmp_path / "new" / "out.png"
    flags = (*QUICK, "--steps=6", "--snapshot_interval=3", "--seed=5", f"--output={out}")
    code, stdout, stderr = command_line.run(*RUN[1:], *flags, module="cli.stylize")
    assert code == 0, stderr
    assert stdout == ""
    picture = images.load(out)
    assert max(picture.pixels.shape) == 64
    record = json.loads(out.with_name("out.png.json").read_text())
    assert record["config"]["steps"] == 6
    assert record["config"]["seed"] == 5
    assert len(record["losses"]["total"]) == 6
    assert record["best_loss"] < 0.5 * record["losses"]["total"][0]
    assert record["network"]["sha256"]
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "out.png", "out.png.json", "out.step-00003.png", "out.step-00006.png",
    ]  # fmt: skip
    assert re.search(r"step 6/6  \d\.\d\d s/step  0:00 left  loss \S+ \(" + TERMS, stderr)
    assert "I0000" not in stderr


@pytest.mark.weights
def test_a_picture_is_stylised_in_one_pass_and_its_record_written(commands, tmp_path):
    out = tmp_path / "out.png"
    code, stdout, stderr = commands.run(*RUN, "--method=adain", "--style_strength=0.8", f"--output={out}")
    assert (code, stdout) == (0, ""), stderr
    assert max(images.load(out).pixels.shape) == 64
    record = json.loads(out.with_name("out.png.json").read_text())
    assert (record["method"], record["config"]["strength"]) == ("adain", 0.8)
    assert {part: len(weights["sha256"]) for part, weights in record["network"].items()} == {
        "encoder": 64,
        "decoder": 64,
    }


@pytest.mark.weights
def test_results_are_judged_in_a_table_and_a_csv_file(commands, tmp_path):
    images.save(tmp_path / "content.png", images.load("sample:launch-pad", max_side_px=64).pixels)
    not_text = os.fsdecode(os.fsencode(tmp_path) + b"/gr\xe9y.png")
    images.save(not_text, np.full([1, 51, 64, 3], 0.5, np.float32))
    judged = f"--images={tmp_path / 'content.png'},{not_text}"
    flags = ("--lpips=alexnet", f"--output={tmp_path / 'table.csv'}", "--verbosity=-1")
    code, stdout, stderr = commands.run("evaluate", *RUN[1:3], judged, *flags)
    assert (code, stderr) == (0, "")
    assert stdout.split()[0] == "image"
    content, grey = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert float(content["content"]) < 0.05 < float(grey["content"])
    assert float(content["lpips"]) < 0.01 < float(grey["lpips"])
    assert grey["image"].endswith(r"gr\udce9y.png")


@pytest.fixture(scope="module")
def silent(commands, tmp_path_factory):
    """A run without messages that writes 16 bits: its exit code, stdout and stderr, and the picture's path."""
    out = tmp_path_factory.mktemp("silent") / "out.png"
    flags = ("--steps=2", "--verbosity=-1", "--bit_depth=16", f"--output={out}")
    return commands.run(*RUN, *QUICK, *flags), out


@pytest.mark.weights
def test_verbosity_below_zero_is_silent(silent):
    assert silent[0] == (0, "", "")


@pytest.fixture(scope="module")
def interrupted(commands, tmp_path_factory):
    """A run on a terminal that Ctrl-C ends: its exit code, what was shown, and the picture's path."""
    out = tmp_path_factory.mktemp("interrupted") / "out.png"
    ours, theirs = pty.openpty()
    flags = ("--steps=200", f"--output={out}")
    job = commands.start(*RUN, *QUICK, *flags, env={"COLUMNS": "200"}, stderr=os.ttyname(theirs))
    shown = b""
    while job.poll() is None:
        if select.select([ours], [], [], 0.05)[0]:
            shown += os.read(ours, 4096)
        if "█" in shown.decode(errors="ignore"):
            job.send_signal(signal.SIGINT)
            break
    job.communicate()
    while select.select([ours], [], [], 0)[0]:
        shown += os.read(ours, 4096)
    for end in (ours, theirs):
        os.close(end)
    return job.returncode, shown.decode(), out


@pytest.mark.weights
def test_ctrl_c_writes_the_picture_so_far_and_exits_130(interrupted):
    code, shown, out = interrupted
    assert code == 130, shown
    assert max(images.load(out).pixels.shape) == 64
    record = json.loads(out.with_name("out.png.json").read_text())
    assert record["stopped_early"]
    assert 1 <= record["steps"] < 200


@pytest.mark.weights
def test_ctrl_c_before_the_first_step_writes_nothing_and_exits_130(commands, tmp_path):
    job = commands.start(*RUN, *QUICK, "--steps=100000", f"--output={tmp_path / 'out.png'}")
    job.wait_for_line("precision")
    job.send_signal(signal.SIGINT)
    _, stderr = job.communicate()
    assert job.returncode == 130
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.weights
def test_a_terminal_gets_a_progress_bar(interrupted):
    _, shown, _ = interrupted
    # However many cells are filled: a report comes twice a second, whatever a step takes.
    bar = r"\r█+░* \d+/200  \S+ s/step  \d+:\d\d left  loss \S+ \(" + TERMS
    assert re.search(bar, shown)


@pytest.mark.weights
def test_a_16_bit_png_is_written_on_request(silent):
    _, out = silent
    assert out.read_bytes()[24] == 16  # the bit depth in PNG's header
    values = images.load(out).pixels * 255
    assert np.abs(values - np.round(values)).max() > 0.1
