"""A local S3 server (moto) in a process of its own, for tests of object stores."""

import contextlib
import socket
import subprocess
import sys
import time

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",  # a test of a store that is gone need not wait
}
_START_S = 120


@contextlib.contextmanager
def running():
    """The server's address and its process, which is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        limit = time.monotonic() + _START_S
        while True:
            assert process.poll() is None, "the S3 server has ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < limit, "the S3 server does not start"
            time.sleep(0.1)
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()


def client(address):
    """A client of the server that knows nothing of this project."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
