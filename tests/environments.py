"""Environments of their own for engines whose dependencies clash with ours: made on first use and kept."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(
    os.environ.get("NST_TF_TEST_ENVIRONMENTS") or pathlib.Path(__file__).resolve().parent.parent / ".venv-engines"
)
_INSTALL_TIMEOUT_S = 1500


def python(name, *requirements):
    """The Python of an environment with some packages; the test is skipped where they cannot be installed."""
    folder = FOLDER / name
    path = folder / "bin" / "python"
    if not (folder / ".done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(path), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
        if result.returncode != 0:
            pytest.skip(f"{', '.join(requirements)} cannot be installed here: {result.stderr.strip()[-300:]}")
        (folder / ".done").touch()
    return str(path)


def script(python_path, name):
    """A program that a package of the environment brought."""
    return str(pathlib.Path(python_path).with_name(name))


def node_packages(*packages):
    """A folder whose node_modules holds packages of npm; the test is skipped where there is no npm or registry."""
    folder = FOLDER / "npm"
    if shutil.which("npm") is None:
        pytest.skip("needs npm and node")
    missing = [name for name in packages if not (folder / "node_modules" / name.rpartition("@")[0]).exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *missing]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
        if result.returncode != 0:
            pytest.skip(f"{', '.join(missing)} cannot be installed here: {result.stderr.strip()[-300:]}")
    return folder


def run(command, *, cwd, **environment):
    """Runs a program to its end without this project on its path; its output."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | environment
    variables.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    return result.stdout
