"""A bundle where this project is not: TensorFlow's C library in a process of its own, and TensorFlow's own tool."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nst_tf.export import bundle, self_check, trial_requests
from nst_tf.pictures import images
from tests.tiny import tiny_network


def request(**overrides):
    values = {
        "signature": "serving_default",
        "content_bytes": trial_requests.encoded([tiny_network.picture(20, 24)]),
        "style_bytes": trial_requests.encoded([tiny_network.picture(20, 24, seed=1)]),
        "steps": np.array([3], np.int32),
        "content_weight": np.array([1], np.float32),
        "seed": np.array([0], np.int32),
        "max_side_px": np.array([512], np.int32),
    }
    return values | overrides


def load(path):
    with np.load(path) as archive:
        return dict(archive)


def test_hostile_requests_fail_alone_and_the_next_one_is_answered(tiny_version, tmp_path):
    good = request()
    picture = good["content_bytes"][0]
    hostile = {
        "cut": ({"content_bytes": np.array([picture[: len(picture) // 2]])}, ""),
        "long": ({"steps": np.array([1, 2], np.int32)}, "must have one length"),
        "nan": (
            {"content_weight": np.array([np.nan], np.float32)},
            "content_weight[0] must be 0 to 100. Received: nan",
        ),
        "second": (
            {name: np.repeat(value, 2, axis=0) for name, value in good.items() if name != "signature"}
            | {"style_bytes": np.array([picture, b"no picture"])},
            "style_bytes[1]: a picture must be a JPEG or a PNG. Received: 10 bytes",
        ),
    }
    for name, (changes, _) in {"a-first": ({}, ""), **hostile, "z-last": ({}, "")}.items():
        np.savez(tmp_path / f"{name}.inputs.npz", **(good | changes))
    self_check.replay(tiny_version, tmp_path)
    for name, (_, words) in hostile.items():
        assert words in (tmp_path / f"{name}.error.txt").read_text()
        assert not (tmp_path / f"{name}.outputs.npz").exists()
    first, last = (load(tmp_path / f"{name}.outputs.npz")["stylized_bytes"] for name in ("a-first", "z-last"))
    assert first == last
    assert images.load(bytes(first[0])).pixels.shape == (1, 20, 24, 3)


@pytest.mark.slow  # eight callers at once have a test of their own, and the graph's function four
def test_requests_at_the_same_time_get_what_they_get_alone(tiny_version, tmp_path):
    for together, folder in ((False, tmp_path / "alone"), (True, tmp_path / "together")):
        folder.mkdir()
        for i in range(4):
            pictures = [tiny_network.picture(200, 200 + i, seed=seed) for seed in (i, 9 - i)]
            changes = dict(
                zip(("content_bytes", "style_bytes"), map(trial_requests.encoded, zip(pictures)), strict=True)
            )
            np.savez(folder / f"{i}.inputs.npz", **(request(**changes, steps=np.array([6], np.int32))))
        seconds = self_check.replay(tiny_version, folder, *["--together"] * together)
        overlap = sum(seconds[str(i)] for i in range(4)) / seconds["all"]
        assert (overlap > 1.5) == together
    for i in range(4):
        alone, at_once = (
            load(tmp_path / name / f"{i}.outputs.npz")["stylized_bytes"][0] for name in ("alone", "together")
        )
        apart = np.abs(images.load(bytes(alone)).pixels - images.load(bytes(at_once)).pixels) * 255
        assert apart.max() <= 1


def test_the_replay_imports_neither_tensorflow_nor_this_project(tiny_version, tmp_path):
    program = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'nst_tf', 'keras', 'google'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(self_check.REPLAY), str(tiny_version), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert (tmp_path / "seconds.json").exists()
    assert result.stdout.splitlines()[-1] == "[]"


def saved_model_cli(do, version, *flags):
    """The standard output of TensorFlow's own program on a bundle."""
    path = pathlib.Path(sys.executable).with_name("saved_model_cli")
    assert path.exists(), "TensorFlow installs it beside Python"
    of = ["--dir", str(version), "--tag_set", "serve", "--signature_def", "serving_default"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([path, do, *of, *flags], capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.slow  # the C library reads the same signature in each export
def test_saved_model_cli_shows_it(tiny_version):
    shown = saved_model_cli("show", tiny_version)
    for words in ("inputs['content_bytes']", "inputs['max_side_px']", "outputs['stylized_bytes']", "dtype: DT_STRING"):
        assert words in shown


@pytest.mark.slow  # the C library answers the same request in each export
def test_saved_model_cli_runs_it(tiny_version, tmp_path):
    path = tiny_version / bundle.EXAMPLES / "pictures.inputs.npz"
    names = [name for name in load(path) if name != "signature"]
    inputs = ";".join(f"{name}={path}[{name}]" for name in names)
    saved_model_cli("run", tiny_version, "--inputs", inputs, "--outdir", str(tmp_path))
    answers = np.load(tmp_path / "stylized_bytes.npy", allow_pickle=True)
    expected = load(path.with_name("pictures.expected.npz"))["stylized_bytes"]
    for answer, picture in zip(answers, expected, strict=True):
        apart = np.abs(images.load(bytes(answer)).pixels - images.load(bytes(picture)).pixels) * 255
        assert apart.mean() <= trial_requests.TOLERANCE_LEVELS["float32"][0]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("method", "flags"),
    [
        ("multi-style", ("--size=48", "--style=style:redon", "--several_styles=false")),
        # VGG-19 in a loop takes long to trace; with small networks its form is in make test
        pytest.param("gatys", ("--size=64", "--scales=1", "--max_steps=3", "--lbfgs_memory=2"), marks=pytest.mark.slow),
    ],
)
def test_a_real_network_is_exported_by_the_command(commands, tmp_path, method, flags):
    root = tmp_path / "model"
    flags = (f"--method={method}", f"--output_dir={root}", *flags)
    code, stdout, stderr = commands.run("export", *flags, timeout_s=600)
    assert code == 0, stderr
    assert stdout == ""
    assert ("warning: the licence of the weights" in stderr) == (method == "gatys")
    assert re.search(rf"wrote {root}/1 \((\d+) MiB\)", stderr)
    assert sorted(path.name for path in root.iterdir()) == ["1", "compose.yaml", "models.config", "monitoring.config"]
    shutil.rmtree(root)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ["--output_dir is missing"]),
        (("--output_dir={}/x", "--optimizer=adam"), ["optimizer must be lbfgs"]),
        (("--output_dir={}/x", "--steps=50"), ["--steps is part of each request"]),
        (("--output_dir={}/x", "--method=adain", "--scales=2"), ["--scales is a flag of --method=gatys"]),
        (("--output_dir={}/x", "--method=adain", "--style=nowhere.jpg"), ["nowhere.jpg"]),
        (("--output_dir={}/x", "--format=onnx"), ["Use --method=adain"]),
        (("--output_dir={}/x", "--max_steps=0"), ["max_steps must be at least 1"]),
        (("--output_dir={}/a model",), ["becomes the model's", "'a model'"]),
        (("--output_dir={}/file/x",), ["file"]),
    ],
    ids=str,
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(commands, tmp_path, flags, words):
    (tmp_path / "file").write_text("a file where a folder should be")
    code, stdout, stderr = commands.run("export", *(flag.replace("{}", str(tmp_path)) for flag in flags))
    assert code == 2, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    for word in words:
        assert word in stderr.splitlines()[-1] or word in stderr.splitlines()[-2]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
