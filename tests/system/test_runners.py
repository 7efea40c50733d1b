"""Batch jobs on other runners than Beam's in-process one, with workers in processes of their own."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from nst_tf.pictures import images
from nst_tf.pipelines import jobs
from tests.system import command_line
from tests.tiny import tiny_network

pytest.importorskip("apache_beam", reason="needs the extra [beam]")
pytest.importorskip("tensorflow_serving", reason="needs the extra [serving]")

pytestmark = pytest.mark.slow
COUNT = 12
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),  # a pool starts `python`
    "PYTHONPATH": str(command_line.ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    from tests.tiny import tiny_bundle

    return tiny_bundle.export_adain(tmp_path_factory.mktemp("bundles") / "style", tiny_network.picture(16, 16, seed=9))


@pytest.fixture
def photos(tmp_path):
    for number in range(COUNT):
        images.save(tmp_path / "photos" / f"{number:02}.png", tiny_network.picture(20 + number % 3, 30, seed=number))
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def run(bundle, photos, out, *options):
    """Runs a job to its end; the counts."""
    command = [sys.executable, "-m", "tests.programs.batch_on_runner", *map(str, (bundle, photos, out)), *options]
    process = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=500, check=False)
    assert process.returncode == 0, process.stderr
    counts = json.loads(process.stdout.splitlines()[-1])
    del counts["seconds"]
    return counts


def assert_all_are_done_and_a_second_run_does_nothing(bundle, photos, out, *options):
    assert run(bundle, photos, out, *options) == {"written": COUNT, "skipped": 0, "repeated": 0, "failed": 1}
    assert len(list(out.glob("*.png"))) == COUNT
    assert json.loads((out / jobs.FAILURES).read_text())["input"] == str(photos / "bad.png")
    assert run(bundle, photos, out, *options) == {"written": 0, "skipped": COUNT, "repeated": 0, "failed": 1}


def test_dask_with_two_workers(bundle, photos, tmp_path):
    pytest.importorskip("dask.distributed", reason="needs apache-beam[dask]")
    options = ("--runner=DaskRunner", "--dask_npartitions=2")
    assert_all_are_done_and_a_second_run_does_nothing(bundle, photos, tmp_path / "out", *options)


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def listening(port, *command):
    with subprocess.Popen(
        [sys.executable, "-m", *command], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        limit = time.monotonic() + 120
        while True:
            assert process.poll() is None
            with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
                break
            assert time.monotonic() < limit
            time.sleep(0.2)
        try:
            yield
        finally:
            process.terminate()


def test_beams_local_job_service_with_a_pool_of_workers(bundle, photos, tmp_path):
    job_port, pool_port = free_port(), free_port()
    pool = ("apache_beam.runners.worker.worker_pool_main", f"--service_port={pool_port}")
    service = ("apache_beam.runners.portability.local_job_service_main", "-p", str(job_port))
    with listening(pool_port, *pool), listening(job_port, *service):
        assert_all_are_done_and_a_second_run_does_nothing(
            bundle,
            photos,
            tmp_path / "out",
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{job_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool_port}",
        )
