"""Runs the command line as a user does: in a process of its own."""

import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def start(*arguments, module="cli.main", env=None, **kwargs):
    """Starts a program of the checkout; its output is captured as text."""
    return subprocess.Popen(
        [sys.executable, "-W", "error::DeprecationWarning:nst_tf", "-m", module, *map(str, arguments)],
        cwd=kwargs.pop("cwd", ROOT),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=kwargs.pop("stderr", subprocess.PIPE),
        text=True,
        preexec_fn=kwargs.pop("preexec_fn", _heed_interrupts if os.name == "posix" else None),
        **kwargs,
    )


def _heed_interrupts():
    """A shell starts what runs in its background with Ctrl-C ignored, which children would inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments, timeout_s=240, **kwargs):
    """Runs a program to its end and returns its exit code, stdout and stderr."""
    process = start(*arguments, **kwargs)
    stdout, stderr = process.communicate(timeout=timeout_s)
    return process.returncode, stdout, stderr


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
