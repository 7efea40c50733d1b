"""README, guides, examples and docstrings: their imports, names, flags, links and examples hold."""

import ast
import doctest
import importlib
import json
import re
import shlex

import pytest

import nst_tf
from nst_tf import public_names
from tests.system import command_line

ROOT = command_line.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "BUILD_NOTES.md",
    ROOT / "benchmarks/RESULTS.md",
]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
WINGS = sorted(path.parent.name for path in (ROOT / "nst_tf").glob("*/__init__.py"))
DOCTESTED = sorted(path for path in (ROOT / "nst_tf").rglob("*.py") if ">>> " in path.read_text())
STUBS = sorted((ROOT / "nst_tf").glob("**/__init__.pyi"))


def wing(name):
    return importlib.import_module(f"nst_tf.{name}")


def code_of(path):
    """The Python that a page, a program, a notebook or a docstring shows."""
    text = path.read_text()
    if path.suffix == ".md":
        return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    if path.suffix == ".ipynb":
        return [cell_source(cell) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    if path in DOCTESTED:
        parser = doctest.DocTestParser()
        docstrings = [
            ast.get_docstring(node) or ""
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        ]
        return ["".join(example.source for example in parser.get_examples(docstring)) for docstring in docstrings]
    return [text]


def cell_source(cell):
    return "".join(cell["source"])


def private_names(code):
    """What code takes from nst_tf beyond the public names."""
    bound = {}  # name in the code -> wing
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("nst_tf."))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nst_tf":
            for alias in node.names:
                if node.module == "nst_tf" and alias.name in WINGS:
                    bound[alias.asname or alias.name] = alias.name
                elif not is_public(f"{node.module}.{alias.name}"):
                    yield f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            name = f"nst_tf.{bound[node.value.id]}.{node.attr}"
            if not is_public(name):
                yield name


def is_public(name):
    """Whether nst_tf.NAME or nst_tf.WING.NAME is a wing or a public name."""
    _, *parts = name.split(".")
    if parts[0] in nst_tf.__all__:
        return True
    if parts[0] not in WINGS:
        return False
    return len(parts) == 1 or (parts[1] in names_of(parts[0]))


def names_of(name):
    module = wing(name)
    return getattr(module, "__all__", None) or [key for key in vars(module) if not key.startswith("_")]


@pytest.mark.parametrize(
    "path", [*PAGES, *sorted((ROOT / "examples").glob("*.py")), *NOTEBOOKS, *DOCTESTED], ids=lambda path: path.name
)
def test_examples_import_public_names_only(path):
    found = [name for code in code_of(path) for name in private_names(code)]
    assert not found, f"{path.name} uses {found}: import nst_tf.NAME or nst_tf.WING.NAME"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_guides_name_public_names_only(path):
    text = re.sub(r"^(?: {4}|```).*$", "", path.read_text(), flags=re.MULTILINE)
    names = re.findall(r"`(nst_tf(?:\.[A-Za-z_]\w*)+)", text)
    found = [name for name in names if not is_public(name) and name != "nst_tf.batch"]  # Beam's namespace
    assert not found, f"{path.name} names {found}: say nst_tf.NAME or nst_tf.WING.NAME"


@pytest.mark.parametrize(
    "code",
    [
        "from nst_tf.figures.rendering import render",
        "import nst_tf.optimisation.transfer",
        "from nst_tf.networks import adain",
        "from nst_tf import results",
        "from nst_tf import figures\nfigures.rendering.render()",
    ],
)
def test_a_module_path_in_an_example_is_found(code):
    assert list(private_names(code))


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.parent.name)
def test_every_public_name_can_be_imported(stub):
    package = ".".join(stub.parent.relative_to(ROOT).parts)
    load, _, names = public_names.attach(package, str(stub))
    optional = {"AdainModelHandler", "run"} if package == "nst_tf.pipelines" else set()  # they need apache-beam
    for name in set(names) - optional:
        assert load(name) is not None


@pytest.mark.parametrize("path", DOCTESTED, ids=lambda path: str(path.relative_to(ROOT / "nst_tf")))
def test_the_examples_in_docstrings_give_what_they_show(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def shown_commands():
    """Every `nst-tf JOB --flag=...` that a page shows, its continued lines joined: (page, job, flags)."""
    for path in PAGES:
        text = re.sub(r"\\\n *", " ", path.read_text())
        for line in re.findall(r"^ {4}nst-tf (\w.*)$|`nst-tf (\w[^`]*)`", text, flags=re.MULTILINE):
            words = shlex.split("".join(line), comments=True)
            ours = words[: words.index("--")] if "--" in words else words
            flags = {word[2:].split("=")[0] for word in ours if word.startswith("--")}
            yield path.name, words[0], flags - {"help"}


def test_every_command_in_the_guides_uses_flags_that_exist(commands):
    shown = list(shown_commands())
    assert len(shown) > 40
    helps = {}
    for page, job, flags in shown:
        if job not in helps:
            helps[job] = commands.run(job, "--help")[1]
        known = set(re.findall(r"--(\w+(?:-\w+)*)", helps[job]))
        assert flags <= known, f"{page}: nst-tf {job} has no flags {flags - known}"


def test_every_program_in_the_guides_exists():
    for path in TEXTS:
        for module in re.findall(r"python -m ((?:benchmarks|examples|cli|tests)[\w.]*\w)", path.read_text()):
            name = module.replace(".", "/")
            exists = any((ROOT / f"{name}{end}").exists() for end in (".py", "/__init__.py"))
            assert exists or module.endswith(".NAME"), f"{path.name} runs {module}"


def test_every_make_target_in_the_guides_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    files = [*TEXTS, ROOT / ".github/workflows/ci.yml"]
    for path in files:
        named = re.findall(r"(?:`|run: |^ {4})make ([\w-]+)", path.read_text(), flags=re.MULTILINE)
        assert set(named) <= targets, f"{path.name}: {set(named) - targets}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path):
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.weights
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run_from_top_to_bottom(commands, path, tmp_path):
    """In a process of their own and without Jupyter: the cells are plain Python."""
    cells = [cell_source(cell) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    (tmp_path / "notebook.py").write_text("\n\n".join(cells))
    code, _, stderr = commands.run(program=tmp_path / "notebook.py", folder=tmp_path)
    assert code == 0, stderr
