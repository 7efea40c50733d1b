"""The container's files agree with the program."""

import re
import subprocess
import sys

from nst_tf import configs
from nst_tf.configs import commands
from tests.system import command_line

DOCKERFILE = (command_line.ROOT / "Dockerfile").read_text()
COMPOSE = command_line.ROOT / "compose.yaml"


def test_the_compose_file_is_valid():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_the_page_as_nobody_special_with_flags_that_exist():
    flags = re.findall(r'"--(?:no-)?(\w+)', DOCKERFILE.partition("ENTRYPOINT")[2] + COMPOSE.read_text())
    fields = configs.AppConfig.__dataclass_fields__.values()
    assert {"host", "open", "max_size"} <= set(flags)
    assert set(flags) <= {field.metadata["flag"] or field.name for field in fields}
    assert "USER nst_tf" in DOCKERFILE
    assert f":{configs.AppConfig.port}/health" in DOCKERFILE


def test_the_image_fetches_sets_of_weights_that_exist():
    (sets,) = re.findall(r"ARG WEIGHTS=(\S+)", DOCKERFILE)
    assert set(sets.split(",")) <= set(commands.WEIGHT_SETS)


def test_what_the_image_is_built_from_is_sent_to_its_builder():
    sent = {line[1:] for line in (command_line.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"cli", "nst_tf", "setup.cfg", "pyproject.toml", "LICENSE", "NOTICE", "README.md"} <= sent
