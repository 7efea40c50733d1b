"""`nst-tf figure` from the outside: help, mistakes, a real run that continues, Ctrl-C."""

import dataclasses
import json
import re
import signal

import numpy as np
import pytest

from nst_tf import configs
from nst_tf.pictures import images
from tests.system import command_line

SMALL = ("--size=64", "--steps=2", "--optimizer=adam")  # which is traced sooner than twenty pairs of L-BFGS
RUN = ("figure", "--name=content-layer", *SMALL)
RATIOS = ("figure", "--name=ratio", "--layout=row", "--ratios=1e-3,1e-2", *SMALL)  # one traced step


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "good.png").write_bytes(images.encode(np.full([1, 40, 40, 3], 0.5, np.float32), ".png"))
    (folder / "small.png").write_bytes(images.encode(np.ones([1, 15, 40, 3], np.float32), ".png"))
    (folder / "text.jpg").write_text("this is not a picture\n" * 20)
    (folder / "file").write_text("a file where a folder should be")
    (folder / "taken" / "out.csv").mkdir(parents=True)
    return folder


def test_help_teaches_every_flag_and_figure_without_loading_tensorflow():
    code, stdout, stderr = command_line.run("figure", "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert code == 0
    assert not re.search(r"\| +tensorflow$", stderr, re.MULTILINE)
    for field in dataclasses.fields(configs.FigureConfig):
        assert f"--{field.metadata['flag'] or field.name}=" in stdout
    for name in configs.FIGURES:
        assert re.search(rf"^  {name}$", stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"ratios": ""}, ["ratios must have at least one value"]),
        ({"style_layers": ""}, ["style_layers must have at least one value"]),
        ({"ratios": "1e-3,x"}, ["--ratios", "1e-3,x"]),
        ({"ratios": "0"}, ["ratios must be above 0"]),
        ({"name": "reconstruction", "ratios": "1"}, ["takes no ratios"]),
        ({"name": "fig9"}, ["name", "reconstruction"]),
        ({"style_layers": "conv9_9"}, ["conv9_9", "Choose among"]),
        ({"name": "content-layer", "content_layers": "fc6"}, ["fc6", "Choose among"]),
        ({"content": "{}/missing.jpg"}, ["missing.jpg"]),
        ({"style": "{}/text.jpg"}, ["text.jpg", "text"]),
        ({"style": "{}/small.png"}, ["small.png", "at least 16 px for conv5_1"]),
        ({"content": "sample:monet"}, ["monet", "launch-pad"]),
        ({"output": "{}/out/out.xyz"}, [".xyz", ".png"]),
        ({"output": "{}/file/out.png"}, ["file"]),
        ({"output": "{}/taken/out.png"}, ["out.csv", "folder"]),
        ({"output": None}, ["--output is missing"]),
        ({"steps": "0"}, ["steps must be at least 1"]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(commands, folder, flags, words):
    pictures = {"content": folder / "good.png", "style": folder / "good.png", "output": folder / "out" / "out.png"}
    given = pictures | {name: value and value.replace("{}", str(folder)) for name, value in flags.items()}
    arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
    command_line.assert_refused_in_one_line(*commands.run("figure", *arguments), words)
    assert not list(folder.glob("out/*"))


@pytest.mark.weights
def test_a_figure_is_drawn_and_not_run_again(commands, tmp_path):
    output = tmp_path / "new" / "grid.png"
    code, stdout, stderr = commands.run(*RATIOS, f"--output={output}")
    assert code == 0, stderr
    assert stdout == ""
    assert re.search(r"cell 2/2 conv1_1 to conv5_1, 1e-2: 2/2  \d\.\d\d s/step  0:00 left  loss", stderr)
    assert "2 run now, 0 already finished" in stderr
    written = sorted(path.relative_to(tmp_path / "new").as_posix() for path in output.parent.rglob("*.*"))
    assert written == [
        "grid.cells", "grid.cells/row1-column1.png", "grid.cells/row1-column1.png.json",
        "grid.cells/row1-column2.png", "grid.cells/row1-column2.png.json", "grid.csv", "grid.json", "grid.png",
    ]  # fmt: skip
    record = json.loads((output.parent / "grid.cells" / "row1-column1.png.json").read_text())
    assert record["network"]["sha256"]
    assert record["config"]["content_weight"] / record["config"]["style_weight"] == pytest.approx(1e-3)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.parent.glob("grid.cells/*")}

    code, _, stderr = commands.run(*RATIOS, f"--output={output}")
    assert code == 0, stderr
    assert "cell 2/2 conv1_1 to conv5_1, 1e-2: already finished, kept" in stderr
    assert "0 run now, 2 already finished" in stderr
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before


@pytest.mark.weights
def test_ctrl_c_keeps_no_partial_cell_and_exits_130(commands, tmp_path):
    job = commands.start(*RUN, "--steps=100000", f"--output={tmp_path / 'grid.png'}")
    job.wait_for_line("cell 1/2 conv2_2: 1/")
    job.send_signal(signal.SIGINT)
    _, stderr = job.communicate()
    assert job.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1].startswith("interrupted: 0 of 2 cells are finished")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
