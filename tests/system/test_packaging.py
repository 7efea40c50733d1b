"""The wheel: what it holds, and that it installs and runs where the checkout is not."""

import subprocess
import sys
import venv
import zipfile

import pytest

from tests.system import command_line


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=command_line.ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((command_line.ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    subprocess.run(build, capture_output=True, check=True)
    (path,) = (folder / "dist").glob("*.whl")
    return path


def test_the_wheel_owns_no_top_level_cli(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"nst_tf", "nst_tf_cli"}
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_the_wheel_holds_every_module_the_samples_and_the_licences(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, package in (("nst_tf", "nst_tf"), ("cli", "nst_tf_cli")):
        for path in (command_line.ROOT / folder).glob("**/*.py"):
            assert f"{package}/{path.relative_to(command_line.ROOT / folder).as_posix()}" in names
    assert sum(name.startswith("nst_tf/pictures/samples/") and name.endswith(".jpg") for name in names) == 20
    assert "nst_tf/pictures/samples/README.md" in names
    assert sum(name.startswith("nst_tf/weights/styles/") and name.endswith(".style") for name in names) == 8
    for name in ("index.html", "page.css", "page.js", "texts.json"):
        assert f"nst_tf/serving/page/assets/{name}" in names
    assert "nst_tf/py.typed" in names
    for licence in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f".dist-info/licenses/{licence}") for name in names)


def test_the_installed_command_runs_outside_the_checkout(wheel, tmp_path):
    environment = tmp_path / "env"
    venv.create(environment, system_site_packages=False, with_pip=False, symlinks=True)
    install = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    (target,) = (environment / "lib").glob("python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]  # several where environments build on another
    (target / "ours.pth").write_text("\n".join(ours))
    command = [environment / "bin" / "nst-tf", "stylize", "--content=nowhere.jpg", "--style=sample:turner"]
    done = subprocess.run([*command, "--output=out.png"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nowhere.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    assert subprocess.run([command[0], "--help"], cwd=tmp_path, capture_output=True).returncode == 0
