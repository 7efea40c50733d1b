"""What docs/deploy.md shows: the manifest by Kubernetes' schemas, the recipes run in environments of their own."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest

import nst_tf
from nst_tf import configs
from nst_tf.pictures import images
from tests import environments
from tests.system import command_line
from tests.tiny import tiny_multi_style, tiny_network

EXAMPLES = command_line.ROOT / "examples"
TIMEOUT_S = 240


def test_the_kubernetes_manifest_is_valid_and_has_what_operations_need():
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    import yaml

    deployment, service = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    version = kubernetes_validate.latest_version()
    for resource in (deployment, service):
        kubernetes_validate.validate(resource, version, strict=True)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", container["image"])
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/styles"
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    selected = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == selected
    opened = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == opened


@pytest.fixture
def photo(tmp_path):
    images.save(tmp_path / "photo.png", tiny_network.picture(40, 48))
    return tmp_path / "photo.png"


def assert_is_style_1(png, photo):
    engine = nst_tf.MultiStyleTransfer(configs.MultiStyleConfig(max_side_px=48), loaded=tiny_multi_style.loaded())
    np.testing.assert_allclose(images.load(png).pixels, engine(photo, "style:1").image, atol=1.01 / 255)


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(command, ready, *, cwd, **environment):
    """A server until the end of the block; the block starts when a URL answers."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | environment
    with open(cwd / "server.log", "wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        limit = time.monotonic() + TIMEOUT_S
        while True:
            assert process.poll() is None, (cwd / "server.log").read_text()[-3000:]
            assert time.monotonic() < limit, (cwd / "server.log").read_text()[-3000:]
            with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
                break
            time.sleep(1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def curl(*arguments):
    return subprocess.run(
        ["curl", "-sf", "--max-time", str(TIMEOUT_S), *arguments], capture_output=True, check=True
    ).stdout


@pytest.mark.slow
def test_the_bentoml_recipe_answers(styles_version, photo, tmp_path):
    python, port = environments.python("bentoml", "bentoml", "tensorflow-cpu"), free_port()
    program = environments.script(python, "bentoml")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    command = [program, "serve", "examples.serve_bentoml:Stylise", "--port", port]
    with serving(
        command, f"http://localhost:{port}/readyz", cwd=tmp_path, BUNDLE=str(styles_version), BENTOML_HOME=str(tmp_path)
    ):
        answer = curl("-F", f"picture=@{photo}", "-F", "style=1", f"http://localhost:{port}/stylize")
    assert_is_style_1(answer, photo)


@pytest.mark.slow
def test_the_ray_recipe_answers(styles_version, photo, tmp_path):
    python = environments.python("ray", "ray[serve]", "tensorflow-cpu")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    command = [environments.script(python, "serve"), "run", "examples.serve_ray:app"]
    with serving(command, "http://localhost:8000/-/healthz", cwd=tmp_path, BUNDLE=str(styles_version)):
        answer = curl("--data-binary", f"@{photo}", "http://localhost:8000/?style=1")
    assert_is_style_1(answer, photo)


@pytest.mark.slow
def test_the_mlflow_recipe_answers(styles_version, photo, tmp_path):
    python, port = environments.python("mlflow", "mlflow", "tensorflow-cpu"), free_port()
    environments.run([python, EXAMPLES / "serve_mlflow.py", styles_version, tmp_path / "model"], cwd=tmp_path)
    program = environments.script(python, "mlflow")
    serve = ["models", "serve", "--model-uri", tmp_path / "model", "--env-manager", "local", "--port", port]
    request = {"columns": ["picture", "style"], "data": [[base64.b64encode(photo.read_bytes()).decode(), "1"]]}
    (tmp_path / "request.json").write_text(json.dumps({"dataframe_split": request}))
    path = f"{os.path.dirname(python)}:{os.environ['PATH']}"  # it starts uvicorn
    with serving([program, *serve], f"http://localhost:{port}/ping", cwd=tmp_path, PATH=path):
        body = f"@{tmp_path / 'request.json'}"
        answer = curl("-H", "Content-Type: application/json", "-d", body, f"http://localhost:{port}/invocations")
    (png,) = json.loads(answer)["predictions"]
    assert_is_style_1(base64.b64decode(png), photo)
