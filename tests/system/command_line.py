"""Runs the command line as a user does: in a process of its own."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 240


def start(*arguments, module="cli.main", env=None, **kwargs):
    """Starts a program of the checkout; its output is captured as text."""
    return subprocess.Popen(
        [sys.executable, "-W", "error::DeprecationWarning:nst_tf", "-m", module, *map(str, arguments)],
        cwd=kwargs.pop("cwd", ROOT),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=kwargs.pop("stderr", subprocess.PIPE),
        text=True,
        **kwargs,
    )


def run(*arguments, timeout_s=TIMEOUT_S, **kwargs):
    """Runs a program to its end and returns its exit code, stdout and stderr."""
    process = start(*arguments, **kwargs)
    stdout, stderr = process.communicate(timeout=timeout_s)
    return process.returncode, stdout, stderr


class Server:
    """Runs jobs as `run` does, without its seconds of imports: each is forked from a process that has done them."""

    def __enter__(self):
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"}  # as the command line sets it before it loads TensorFlow
        program = "tests.programs.command_server"
        self._process = start(module=program, env=quiet, stdin=subprocess.PIPE, stderr=None)
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def run(self, *arguments, timeout_s=TIMEOUT_S):
        """Runs a job to its end and returns its exit code, stdout and stderr."""
        with tempfile.TemporaryDirectory() as folder:
            outputs = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
            job = outputs | {"arguments": [*map(str, arguments)], "folder": str(ROOT), "timeout_s": timeout_s}
            self._process.stdin.write(f"{json.dumps(job)}\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return code, *(pathlib.Path(path).read_text() for path in outputs.values())


def assert_refused_in_one_line(code, stdout, stderr, words):
    """A user's mistake: exit code 2 before TensorFlow loads, and one line with the words in it."""
    assert code == 2, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert "loading TensorFlow" not in stderr
    lines = stderr.strip().splitlines()
    assert len(lines) == (2 if lines[-1].endswith("--help lists the flags.") else 1)
    for word in words:
        assert word in lines[0]
