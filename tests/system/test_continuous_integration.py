"""The hosted file of continuous integration agrees with .ci/run and with the versions that setup.cfg promises."""

import re
import subprocess
import sys

from tests.system import command_line

WORKFLOW = command_line.ROOT / ".github/workflows/ci.yml"


def test_the_hosted_file_follows_its_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_hosted_file_makes_the_same_targets_as_the_gate():
    gate = re.findall(r"^make (\S+)$", (command_line.ROOT / ".ci/run").read_text(), flags=re.MULTILINE)
    assert re.findall(r"- run: make (\S+)$", WORKFLOW.read_text(), flags=re.MULTILINE) == gate


def test_the_hosted_file_tests_every_version_of_python_that_is_promised():
    promised = re.findall(r"Programming Language :: Python :: (3\.\d+)", (command_line.ROOT / "setup.cfg").read_text())
    matrix = re.search(r"python: \[(.*)\]", WORKFLOW.read_text()).group(1)
    assert re.findall(r"3\.\d+", matrix) == promised
