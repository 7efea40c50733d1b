"""The real TensorFlow Serving, where it is on the PATH."""

import shutil
import socket
import subprocess
import time

import pytest

from tests.tiny import tiny_bundle

_START_S = 120


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def ports(tiny_version, tmp_path_factory):
    program = shutil.which("tensorflow_model_server")
    if program is None:
        pytest.skip("tensorflow_model_server is not on the PATH")
    chosen = {"grpc": free_port(), "rest": free_port()}
    log = tmp_path_factory.mktemp("server") / "log.txt"
    monitoring = tiny_version.parent / "monitoring.config"
    command = [program, f"--port={chosen['grpc']}", f"--rest_api_port={chosen['rest']}", "--model_name=tiny"]
    command += [f"--model_base_path={tiny_version.parent}", f"--monitoring_config_file={monitoring}"]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        deadline = time.monotonic() + _START_S
        while "Exporting HTTP/REST API" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield chosen
        process.terminate()


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_the_real_server_warms_up_and_answers_as_python_does(ports, tiny_version, transport):
    tiny_bundle.assert_a_server_answers_as_python(
        tiny_version, transport=transport, server=f"localhost:{ports[transport]}"
    )
