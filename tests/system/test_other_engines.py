"""Exports in engines that this project does not have: each in an environment of its own, made on first use."""

import base64
import contextlib
import functools
import http.server
import json
import queue
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from nst_tf import configs
from nst_tf.export import portable, trial_requests
from tests import environments
from tests.system import command_line
from tests.tiny import tiny_bundle, tiny_multi_style, tiny_network

pytestmark = pytest.mark.slow
ENGINES = command_line.ROOT / "tests" / "programs" / "engines"
LOADED = tiny_multi_style.loaded()
CONTENT = tiny_network.picture(46, 61)
OLDEST_TENSORFLOW = {10: "2.8.4", 11: "2.12.0", 12: "2.16.1", 13: "2.20.0"}  # minor version of Python -> TensorFlow's


def inputs(number=1):
    return {"content": CONTENT, "style_strength": np.ones([1], np.float32)} | {
        part: rows[number : number + 1] for part, rows in zip(("gamma", "beta"), LOADED.known, strict=True)
    }


def assert_is_pythons_picture(picture):
    style = type(LOADED.known)(*(rows[1] for rows in LOADED.known))
    expected = LOADED.network(CONTENT, style).numpy()
    np.testing.assert_allclose(np.asarray(picture).reshape(expected.shape), expected, atol=1e-4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with the tiny network as a plain SavedModel and as an ONNX file."""
    folder = tmp_path_factory.mktemp("exported")
    for format in ("plain", "onnx"):
        limits = configs.ExportConfig(method="multi-style", format=format)
        portable.export(folder, configs.MultiStyleConfig(), limits, loaded=LOADED)
    return folder


@pytest.mark.parametrize("method", ["gatys", "adain", "multi-style"])
def test_the_oldest_tensorflow_that_installs_answers_as_python(tiny_version, styles_version, tmp_path, method):
    version = OLDEST_TENSORFLOW.get(sys.version_info.minor)
    python = environments.python("oldest-tensorflow", f"tensorflow=={version}")
    made = {"gatys": tiny_version, "multi-style": styles_version}
    bundle = made[method] if method in made else tiny_bundle.export_adain(tmp_path / "model")
    printed = environments.run([python, ENGINES / "older_tensorflow.py", bundle, tmp_path], cwd=tmp_path)
    assert printed.splitlines()[-1] == version
    requests = trial_requests.read(bundle / trial_requests.EXAMPLES)
    assert len(requests) >= 2
    for request in requests:
        with np.load(tmp_path / f"{request.name}.outputs.npz") as archive:
            mean, largest = trial_requests.difference(request, dict(archive))
        allowed = trial_requests.TOLERANCE_LEVELS["float32"]
        assert mean <= allowed[0]
        assert largest <= allowed[1]


def test_openvino_converts_and_runs_a_plain_saved_model(exported, tmp_path):
    python = environments.python("openvino", "openvino")
    np.savez(tmp_path / "inputs.npz", **inputs())
    command = [python, ENGINES / "openvino_plain.py", exported / "saved_model", "inputs.npz", "output.npy"]
    environments.run(command, cwd=tmp_path)
    assert_is_pythons_picture(np.load(tmp_path / "output.npy"))


def test_tensorflowjs_converts_a_plain_saved_model_and_node_runs_it(exported, tmp_path):
    packages = environments.node_packages("@tensorflow/tfjs@4.22.0")
    python = environments.python("tensorflowjs", "tensorflowjs", "ydf==0.11.0")  # newer ones want another protobuf
    convert = [python, "-m", "tensorflowjs.converters.converter", "--input_format=tf_saved_model"]
    environments.run([*convert, exported / "saved_model", tmp_path], cwd=tmp_path)
    request = {
        name: {"shape": value.shape, "values": value.astype(float).ravel().tolist()} for name, value in inputs().items()
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    shutil.copy(ENGINES / "tensorflowjs_model.mjs", tmp_path)  # which looks for packages beside itself
    environments.run(["node", "tensorflowjs_model.mjs", tmp_path], cwd=tmp_path)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["shape"] == list(CONTENT.shape)
    assert_is_pythons_picture(answer["values"])


class Page(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and what the page posts."""

    posted = queue.SimpleQueue()

    def do_POST(self):
        Page.posted.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    handler = functools.partial(Page, directory=str(folder))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


def test_a_browser_draws_pythons_picture_from_the_onnx_file(exported, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    packages = environments.node_packages("onnxruntime-web@1.27.0")
    (tmp_path / "ort").symlink_to(packages / "node_modules" / "onnxruntime-web" / "dist")
    shutil.copy(exported / "model.onnx", tmp_path)
    shutil.copy(ENGINES / "browser.html", tmp_path / "index.html")
    request = {
        name: {"shape": value.shape, "data": base64.b64encode(value.astype("<f4").tobytes()).decode()}
        for name, value in inputs().items()
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    with (
        served(tmp_path) as address,
        subprocess.Popen(
            [browser, *flags, f"{address}/index.html"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
    ):
        try:
            answer = Page.posted.get(timeout=300)
        finally:
            process.kill()
    assert not answer.startswith(b"error"), answer.decode()
    assert_is_pythons_picture(np.frombuffer(answer, "<f4"))
