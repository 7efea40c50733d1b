"""Imports only point down, and the folders hold no catch-all modules."""

import ast

import pytest

from tests.system import command_line

# Each row may import from the rows below it, and from itself. A wing is a row, however many files it has.
LAYERS = """
pipelines
figures
export serving
video
evaluation
training
optimisation
networks
recolouring
results
losses
weights
pictures
precision fastest_convolution
configs files
vgg
machine
tensorflow_keras
engine_lock keras_backend messages public_names version
errors
"""
RANKS = {name: -row for row, names in enumerate(LAYERS.split("\n")) for name in names.split()}
PACKAGE = command_line.ROOT / "nst_tf"


def imported(path):
    """The modules of nst_tf that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nst_tf":
            yield from (alias.name for alias in node.names) if node.module == "nst_tf" else [node.module.split(".")[1]]
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("nst_tf."))


def modules():
    return sorted(path for path in PACKAGE.glob("**/*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert name in RANKS, f"{name} has no place among the layers"
    for other in imported(path):
        if other != name:
            assert RANKS[other] < RANKS[name], f"{name} imports {other}, which does not lie below it"


def test_only_the_command_line_parses_flags_prints_and_exits():
    for path in modules():
        if path.name == "self_check.py":  # a program for whoever received a bundle, as docs/serving.md says
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                assert call not in ("print", "sys.exit", "exit", "app.run"), f"{path.name}: {call}"
            if isinstance(node, ast.ImportFrom) and node.module == "absl":
                assert "flags" not in [alias.name for alias in node.names], path.name


def test_only_the_picture_modules_use_pillow():
    users = {
        path.stem
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and "PIL" in ast.unparse(node)
    }
    assert users <= {"animations", "declared", "decoding", "encoding", "grids", "icc", "images", "turned"}


def test_keras_is_imported_in_the_one_place_that_checks_its_backend():
    users = {
        path.stem
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "keras" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "keras")
    }
    assert users == {"tensorflow_keras"}


def test_there_is_no_catch_all_module():
    names = {path.stem for path in [*modules(), *(command_line.ROOT / "cli").glob("*.py")]}
    assert not names & {"utils", "helpers", "common", "base", "core", "manager"}
