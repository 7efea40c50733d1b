"""The programs for GPUs work on a CPU: lowering names what the step takes, and the runner needs no nst_tf."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nst_tf.weights import multi_style, style_files
from tests.system import command_line

pytestmark = pytest.mark.slow  # a minute of processes, for programs outside the library

SIDE = 32
FORMATS = ("float32", "bfloat16")


def run(*command, cwd):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu") / "lowered"
    options = [f"--folder={folder}", f"--sizes={SIDE}", f"--formats={','.join(FORMATS)}"]
    run("-m", "benchmarks.gpu.lower", *options, cwd=command_line.ROOT)
    return folder


def test_the_lowered_step_names_everything_it_takes_and_says_only_stablehlo(folder):
    about = json.loads((folder / "about.json").read_text())
    assert set(about["steps"]) == {f"{SIDE} {form}" for form in FORMATS}
    with np.load(folder / "weights.npz") as file:
        weights = set(file)
    for title, names in about["steps"].items():
        side, form = title.split()
        text = (folder / f"step_{side}_{form}.stablehlo").read_text()
        taken = names["step takes"]
        assert text.split("func.func @main(")[1].split(") ->")[0].count("%arg") == len(taken)
        assert weights < set(taken)
        assert set(names["targets"]) < set(taken)
        assert names["state"] == ["image", "best_loss", "best_image", "updates", "first_moment", "second_moment"]
        assert "mhlo.copy" not in text  # which jaxlib's plugin for CUDA refuses
        assert ("precision HIGHEST" in text) == (form == "float32")
        assert ("xbf16>" in text) == (form == "bfloat16")


def test_every_format_takes_steps_on_a_cpu_from_one_loss(folder, tmp_path):
    program = shutil.copy(command_line.ROOT / "benchmarks" / "gpu" / "step.py", tmp_path)
    (tmp_path / "nst_tf.py").write_text("raise ImportError('the program is to stand alone')")  # found first
    options = [f"--folder={folder}", f"--sizes={SIDE}", f"--formats={','.join(FORMATS)}", "--steps=1", "--rounds=1"]
    options += [f"--long_side={SIDE}", "--long_steps=2", "--matrix_side=64", f"--out={tmp_path}"]
    output = run(program, *options, "--contestants=keras-tensorflow", cwd=tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())[1:]
    assert [row["format"] for row in rows] == list(FORMATS)
    for row in rows:
        assert "failed" not in row, row
        assert 0 < row["long_loss"] < row["loss"]
        assert (tmp_path / f"keras-tensorflow_{SIDE}_{row['format']}.png").exists()
        assert f"| {SIDE} | {row['format']} | keras-tensorflow | " in output
    assert rows[1]["loss"] == pytest.approx(rows[0]["loss"], rel=0.02)


def test_a_contestant_that_fails_costs_its_own_row_only(folder, tmp_path):
    options = [f"--folder={folder}", "--sizes=48", "--formats=float32", "--matrix_side=64", "--child_limit_s=60"]
    program = command_line.ROOT / "benchmarks" / "gpu" / "step.py"
    output = run(program, *options, "--contestants=keras-tensorflow", cwd=tmp_path)
    assert "| 48 | float32 | keras-tensorflow | failed: FileNotFoundError" in output


def test_a_lowered_training_names_what_it_takes_and_its_state_becomes_styles_of_one_network(tmp_path):
    options = ["--names=redon,ejiri", "--new_width=4", "--stroke_sizes=64,96", "--crop_px=32", "--batch=2"]
    paintings = f"--paintings={command_line.ROOT / 'nst_tf' / 'pictures' / 'samples'}"
    given = [f"--folder={tmp_path}", paintings]
    run("-m", "benchmarks.gpu.lower_styles", *given, *options, cwd=command_line.ROOT)
    about = json.loads((tmp_path / "about.json").read_text())
    text = (tmp_path / "step.stablehlo").read_text()
    assert text.split("func.func @main(")[1].split(") ->")[0].count("%arg") == len(about["takes"])
    assert set(about["gives"]) < set(about["takes"])
    assert about["styles"] == [["redon", 64], ["redon", 96], ["ejiri", 64], ["ejiri", 96]]
    packing = [f"--trained={tmp_path / 'state.npz'}", f"--output_dir={tmp_path / 'styles'}"]
    run("-m", "benchmarks.gpu.pack_styles", *given, *packing, cwd=command_line.ROOT)
    found = [style_files.read(tmp_path / "styles" / f"{name}.style") for name in ("redon", "ejiri")]
    assert [style.stroke_sizes_px for style in found] == [(64, 96)] * 2
    with np.load(tmp_path / "styles" / "paintings.npz") as file:
        kernels = {layer: file[layer].astype(np.float32) for layer in file.files}
    assert {style.network_sha256 for style in found} == {multi_style.kernels_sha256(kernels)}
