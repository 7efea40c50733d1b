"""The backend of Keras, asked for before Keras is there to ask."""

import json
import os
import subprocess
import sys

import pytest

from tests.system import command_line

API = "import nst_tf\ntry:\n    nst_tf.stylize\nexcept nst_tf.NstError as error:\n    print(error)"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused_in_one_line_before_tensorflow_loads(backend, tmp_path):
    pictures = ("--content=sample:launch-pad", "--style=sample:van-gogh", f"--output={tmp_path / 'out.png'}")
    code, stdout, stderr = command_line.run("stylize", *pictures, env={"KERAS_BACKEND": backend})
    assert (code, stdout) == (2, "")
    assert "Traceback" not in stderr
    for words in (f"Received: '{backend}', from KERAS_BACKEND", "Set KERAS_BACKEND=tensorflow"):
        assert words in stderr.splitlines()[-1]


def test_the_demo_refuses_another_backend_too():
    code, stdout, stderr = command_line.run("demo", env={"KERAS_BACKEND": "jax"})
    assert (code, stdout) == (2, "")
    assert "Traceback" not in stderr
    assert "Set KERAS_BACKEND=tensorflow" in stderr.splitlines()[-1]


def test_the_api_refuses_a_backend_from_the_users_file(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    output = subprocess.run(
        [sys.executable, "-c", API],
        env=environment | {"KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=command_line.ROOT,
    ).stdout
    assert f"Received: 'jax', from {tmp_path / 'keras.json'}" in output
