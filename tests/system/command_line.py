"""Runs the command line as a user does: in a process of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

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

    def run(self, *arguments, **options):
        """Runs a job to its end and returns its exit code, stdout and stderr; options as for `start`."""
        job = self.start(*arguments, **options)
        stdout, stderr = job.communicate()
        return job.returncode, stdout, stderr

    def start(self, *arguments, timeout_s=TIMEOUT_S, env=None, stderr=None, program=None, folder=ROOT):
        """Starts a job, or a program of Python, and returns a `Job`.

        Args:
            arguments: of nst-tf.
            timeout_s: after which it ends with the traceback of its threads.
            env: what its environment has beside this one's.
            stderr: a file or a terminal that takes its stderr.
            program: the path of a program that runs in place of nst-tf.
            folder: it runs in.
        """
        job = {"arguments": [*map(str, arguments)], "timeout_s": timeout_s, "env": env or {}, "folder": str(folder)}
        return Job(self._ask, job | {"program": program and str(program)}, stderr)

    def _ask(self, request):
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


class Job:
    """A job of a `Server`, with the methods of a `Popen` that tests need."""

    def __init__(self, ask, job, stderr):
        self._ask, self._folder, self.returncode = ask, tempfile.TemporaryDirectory(), None
        self._stdout, own = (pathlib.Path(self._folder.name, name) for name in ("stdout", "stderr"))
        self._stderr = pathlib.Path(stderr) if stderr else own
        self._pid = int(ask(job | {"stdout": str(self._stdout), "stderr": str(self._stderr)}))

    def poll(self):
        """The exit code; None while it runs."""
        return self._code(wait=False)

    def wait(self):
        """The exit code, at its end."""
        return self._code(wait=True)

    def communicate(self):
        """Its stdout and stderr, at its end."""
        self.wait()
        outputs = [path.read_text() if path.is_file() else "" for path in (self._stdout, self._stderr)]
        self._folder.cleanup()
        return outputs

    def wait_for_line(self, start):
        """Waits for a line of stderr that starts so, or for the end."""
        while self.poll() is None:
            if self._stderr.exists() and f"\n{start}" in f"\n{self._stderr.read_text()}":
                return
            time.sleep(0.01)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self._pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def _code(self, *, wait):
        if self.returncode is None:
            answer = self._ask({"pid": self._pid, "wait": wait})
            self.returncode = int(answer) if answer else None
        return self.returncode


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
