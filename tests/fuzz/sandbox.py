"""Runs a reader on hostile bytes in a process of its own, and says how it ended. Linux only."""

import importlib
import multiprocessing
import os
import pathlib
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

from nst_tf import errors

# The largest picture let in, 179 million pixels, takes 2.4 GiB to read and scale down, 3.4 GiB as transparent WebP.
MEMORY_CAP_BYTES = 7 * 2**29
TIME_CAP_S = 60.0  # of the processor; a PNG of 9 x 16.8 million pixels takes 30
WAITING_CAP_S = 600.0  # by the clock, on a machine that has other things to do
_ADDRESS_SPACE_BYTES = 2 * MEMORY_CAP_BYTES  # a backstop: beyond it the system refuses memory

GOOD = ("read", "refused")  # every other kind of outcome is a fault
_FORBIDDEN = (
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn"),
    *("os.chmod", "os.link", "os.mkdir", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    *("subprocess.Popen", "shutil.", "socket.", "urllib.", "pickle.find_class"),
)


class Target(NamedTuple):
    """A reader, which returns or raises an NstError whatever it is given; anything else is a fault."""

    read: Callable[..., None]  # takes a file's bytes, or its path where suffix is set
    seeds: Callable[[], tuple[bytes, ...]]
    suffix: str = ""


class Outcome(NamedTuple):
    """How reading one file ended."""

    kind: str  # read, refused (an NstError); or error, execution, memory, hang, crash
    detail: str
    seconds: float = 0.0
    growth_bytes: int = 0  # of the resident memory, at its highest


class Sandbox:
    """A process that reads files one after another; a new one takes the place of one that hangs or dies.

    Args:
        targets: a dotted module with TARGETS: name -> target. Each worker imports it anew: TensorFlow, which one of
            the targets runs, hangs in a process that was forked from one where it ran.
    """

    def __init__(self, targets: str = "tests.fuzz.targets") -> None:
        self._targets = targets
        self._context = multiprocessing.get_context("spawn")
        self._process = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, target: str, data: bytes, *, time_cap_s: float = TIME_CAP_S) -> Outcome:
        """Reads one file."""
        if self._process is None:
            self._start()
        began = time.perf_counter()
        spent_s = _processor_s(self._process.pid)
        self._connection.send((target, data))
        try:
            while not self._connection.poll(min(1.0, time_cap_s)):
                processor_s, waited_s = _processor_s(self._process.pid) - spent_s, time.perf_counter() - began
                if processor_s > time_cap_s or waited_s > WAITING_CAP_S / TIME_CAP_S * time_cap_s:
                    self._end()
                    return Outcome("hang", f"no answer after {processor_s:.0f} s of the processor", waited_s)
            return Outcome(*self._connection.recv())
        except (EOFError, ConnectionError):
            self._process.join(5)
            outcome = Outcome("crash", f"exit code {self._process.exitcode}", time.perf_counter() - began)
        self._end()
        return outcome

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._targets), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(WAITING_CAP_S) or self._connection.recv() != "ready":
            self._end()
            raise RuntimeError("the sandbox does not start")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _serve(connection, targets: str) -> None:
    """The sandbox's process: reads what is sent, answers with the fields of an Outcome."""
    table = importlib.import_module(targets).TARGETS
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)  # libtiff and TensorFlow write there
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = _Watch()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for target in table.values():  # what is imported on first use is imported now
            for data in target.seeds():
                _read(target, data, watch, pathlib.Path(folder))
        limit = _memory("VmSize") + _ADDRESS_SPACE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        connection.send("ready")
        while True:
            name, data = connection.recv()
            connection.send(tuple(_read(table[name], data, watch, pathlib.Path(folder))))


def _read(target, data: bytes, watch: "_Watch", folder: pathlib.Path) -> Outcome:
    source: bytes | pathlib.Path = data
    if target.suffix:
        source = folder / f"file{target.suffix}"
        source.write_bytes(data)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    before = _memory("VmRSS")
    began = time.perf_counter()
    try:
        with watch:
            target.read(source)
        kind, detail = "read", ""
    except errors.NstError as error:
        kind, detail = "refused", str(error)
    except BaseException:
        kind, detail = "error", traceback.format_exc(limit=-8)
    seconds, growth = time.perf_counter() - began, _memory("VmHWM") - before
    if growth > MEMORY_CAP_BYTES:
        kind, detail = "memory", f"{growth} bytes"
    if watch.seen or sorted(os.listdir(folder)) != ([source.name] if isinstance(source, pathlib.Path) else []):
        kind, detail = "execution", f"{watch.seen} {os.listdir(folder)}"
    if isinstance(source, pathlib.Path):
        source.unlink()
    return Outcome(kind, detail, seconds, growth)


class _Watch:
    """Notes what Python would tell an auditor between enter and exit: programs, sockets, files written, unpickling."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._armed = False
        sys.addaudithook(self._hear)

    def __enter__(self) -> None:
        self.seen.clear()
        self._armed = True

    def __exit__(self, *_: object) -> None:
        self._armed = False

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self._armed:
            return
        is_written = event == "open" and arguments[2] and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        is_text = event == "exec" and getattr(arguments[0], "co_filename", "").startswith("<")
        if is_written or is_text or event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {str(arguments)[:200]}")


def _processor_s(pid: int) -> float:
    """Seconds that a process has spent on a processor; 0 when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime; proc(5)


def _memory(field: str) -> int:
    """Bytes, from the process's status."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)
