"""What people write in flags that name files: homes, commas, lists, folders, and outputs that are inputs."""

import os
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from cli import config_flags, program, stylize
from nst_tf import configs
from nst_tf.optimisation import transfer
from nst_tf.pictures import images
from tests.system import command_line
from tests.tiny import tiny_network

GREY = np.full([1, 20, 20, 3], 0.5, np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder and the home, with a photograph and a painting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("photo.png", "painting.png", "Munch, 1893.png"):
        images.save(tmp_path / name, GREY)
    return tmp_path


@pytest.fixture(autouse=True)
def fresh_flags():
    yield
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()


def command(config_class, *arguments):
    flags.FLAGS(["nst-tf", *arguments])
    return config_flags.config_from_flags(config_class)


def stylized(*arguments):
    return command(configs.StylizeCommand, "--content=photo.png", "--output=out.png", *arguments)


@pytest.mark.parametrize(
    ("arguments", "styles"),
    [
        (["--style=Munch, 1893.png"], ("Munch, 1893.png",)),
        (["--style=photo.png,painting.png"], ("photo.png", "painting.png")),
        (["--style=photo.png, painting.png"], ("photo.png", "painting.png")),
        (['--style="Munch, 1893.png",photo.png'], ("Munch, 1893.png", "photo.png")),
        (["--style=Munch, 1893.png", "--style=x,y"], ("Munch, 1893.png", "x", "y")),
        (["--style=~/photo.png,~/painting.png"], ("{}/photo.png", "{}/painting.png")),
        (["--style=sample:turner"], ("sample:turner",)),
    ],
)
def test_a_list_of_files_holds_what_was_meant(folder, arguments, styles):
    assert stylized(*arguments).style == tuple(style.format(folder) for style in styles)


@pytest.mark.parametrize("pattern", ["Munch, 1*.png", "M*, 1893.png"])
def test_a_pattern_with_a_comma_is_tried_as_it_is(folder, pattern):
    assert config_flags._as_paths([pattern, "~/ph*"], "input") == (pattern, f"{folder}/ph*")


def test_lists_of_numbers_and_layers_accumulate_and_of_others_the_last_wins(folder):
    flags.FLAGS(["nst-tf", "--style_blend=0.7", "--style_blend=0.2,0.1", "--size=64", "--size=128"])
    config = config_flags.config_from_flags(configs.StyleTransferConfig)
    assert (config.style_blend, config.max_side_px) == ((0.7, 0.2, 0.1), 128)


def test_every_flag_that_is_a_path_has_its_home_expanded(folder):
    given = stylized("--style=photo.png", "--content=~/photo.png", "--output=~/a.png", "--logdir=~/log")
    assert (given.content, given.output, given.logdir) == (f"{folder}/photo.png", f"{folder}/a.png", f"{folder}/log")
    flags.FLAGS(["nst-tf", "--weights=~/vgg.npz", "--initialisation=~/photo.png"])
    config = config_flags.config_from_flags(configs.StyleTransferConfig)
    assert (config.weights, config.initialisation) == (f"{folder}/vgg.npz", f"{folder}/photo.png")


def test_a_file_named_like_a_home_is_read_as_it_is(folder):
    os.mkdir("~")
    images.save("~/photo.png", GREY)
    assert stylized("--style=~/photo.png").style == ("~/photo.png",)


@pytest.mark.parametrize("output", ["photo.png", "sub/../painting.png", "link.png"])
@pytest.mark.parametrize("job", ["stylize", "client", "figure", "evaluate"])
def test_an_output_that_is_an_input_is_refused_and_the_input_stays(folder, commands, job, output):
    os.mkdir("sub")
    os.symlink("painting.png", "link.png")
    before = sorted((path.name, path.read_bytes()) for path in folder.glob("*.png"))
    judged = [f"--images={folder}/Munch, 1893.png"] if job == "evaluate" else []
    pictures = [f"--content={folder}/photo.png", f"--style={folder}/painting.png", *judged]
    code, _, error = commands.run(job, *pictures, f"--output={folder}/{output}")
    assert code == program.MISTAKE
    assert "another file than every input" in error.splitlines()[0]
    assert sorted((path.name, path.read_bytes()) for path in folder.glob("*.png")) == before


def test_a_cell_of_a_figure_that_is_an_input_is_refused(folder, commands):
    cell = folder / "grid.cells" / "row1-column1.png"
    images.save(cell, GREY)
    arguments = (f"--content={folder}/photo.png", f"--style={cell}", f"--output={folder}/grid.png")
    code, _, error = commands.run("figure", *arguments)
    assert code == program.MISTAKE
    assert "another file than every input" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output=sub/"], ["a folder", "Add a file name"]),
        (["--output=photo.d"], ["a folder"]),
        (["--output=out.pgn"], [".pgn", "Did you mean .png?"]),
        (["--output=out.png", "--initialisation=nosie"], ["nosie", "Did you mean noise?"]),
        (["--output=out.png", "--content=sample:lunch-pad"], ["Did you mean launch-pad?"]),
        ([f"--output={'n' * 251}.png"], ["shorter name"]),
        ([f"--output={'n' * 242}.png", "--snapshot_interval=5"], ["shorter name", "step-"]),
        (["--output=photo.png", "--content=~/photo.png"], ["another file than every input"]),
        (["--output=p.png", "--snapshot_interval=5", "--initialisation=p.step-00005.png"], ["another file than"]),
        (["--output=~/new/out.png", "--content=none.png"], ["none.png", "no such file"]),
        (["--output=out.png", "--lut=look.png"], ["must end in .cube"]),
        (["--output=out.png", "--method=recolour", "--colours=content"], ["leave the picture as it is"]),
        (["--output=out.png", "--method=recolour", "--steps=5"], ["--steps is a flag of --method=gatys"]),
        (["--output=out.png", "--full_size"], ["full_size needs the guided filter"]),
    ],
)
def test_a_refused_run_answers_the_likely_mistake_and_leaves_nothing_behind(folder, capsys, arguments, words):
    os.mkdir("photo.d")
    images.save("p.step-00005.png", GREY)
    before = sorted(map(str, folder.rglob("*")))
    code = stylize.run(["nst-tf stylize", "--content=photo.png", "--style=painting.png", *arguments])
    error = capsys.readouterr().err
    assert code == program.MISTAKE, error
    for word in words:
        assert word in error.splitlines()[0]
    assert sorted(map(str, folder.rglob("*"))) == before


def test_recolouring_writes_its_picture_and_a_table_without_tensorflow(folder):
    program_text = (
        "import sys; from cli import stylize; "
        "code = stylize.run(['nst-tf stylize', *sys.argv[1:]]); assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    flags = ["--content=photo.png", "--style=painting.png", "--output=out.png", "--lut=look.cube", "--method=recolour"]
    ran = subprocess.run(
        [sys.executable, "-c", program_text, *flags],
        env=os.environ | {"PYTHONPATH": str(command_line.ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "wrote look.cube, a table of 33 nodes a side" in ran.stderr
    assert images.load("out.png").pixels.shape == images.load("photo.png").pixels.shape
    assert (folder / "look.cube").read_text().splitlines()[1] == "LUT_3D_SIZE 33"


def test_a_record_that_cannot_be_written_costs_a_note_and_no_picture(folder):

    result = transfer.stylize(GREY, GREY, tiny_network.config(steps=1), extractor=tiny_network.TinyNetwork())
    os.mkdir("out.png.json")
    (note,) = result.save("out.png")
    assert "the record is missing" in note
    assert images.load("out.png").pixels.shape == (1, 20, 20, 3)


def test_snapshots_keep_alpha_and_depth_and_one_that_cannot_be_written_is_a_line(folder, monkeypatch):
    said = []
    monkeypatch.setattr(program, "say", said.append)
    given = stylized("--style=photo.png", "--bit_depth=16")
    report = type("Report", (), {"step": 5, "image": lambda self: GREY[:, :10, :10]})()
    alpha = np.zeros([1, 20, 20, 1], np.float32)
    stylize._save_snapshot(given, report, alpha)
    snapshot = images.load("out.step-00005.png")
    assert snapshot.alpha.shape == (1, 10, 10, 1)
    assert (folder / "out.step-00005.png").read_bytes()[24] == 16
    os.remove("out.step-00005.png")
    os.mkdir("out.step-00005.png")
    stylize._save_snapshot(given, report, alpha)
    assert "the snapshot of step 5 is missing" in said[0]


@pytest.mark.parametrize("job", ["stylize", "figure", "evaluate"])
def test_a_home_that_cannot_be_used_is_answered_before_tensorflow_loads(folder, commands, job):
    (folder / "home").write_text("a file")
    judged = ["--images=photo.png"] if job == "evaluate" else [f"--output={folder}/out.png"]
    pictures = ["--content=photo.png", "--style=painting.png", *judged]
    home = {"HOME": str(folder / "home"), "NST_TF_HOME": "", "XDG_CACHE_HOME": ""}
    refused = commands.run(job, *pictures, folder=folder, env=home)
    command_line.assert_refused_in_one_line(*refused, ["Set NST_TF_HOME to a folder that can"])
    assert not (folder / "out.png").exists()
