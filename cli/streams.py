"""stdout and stderr as a shell leaves them: closed, broken halfway, or in an encoding that lacks some characters.

What is written on stderr is no part of a job's result, so no state of stderr fails a job. A reader of stdout that has
gone ends the program as it ends other tools: in silence, with the exit code of SIGPIPE.
"""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator

CLOSED_PIPE = 141  # 128 + SIGPIPE


def prepare() -> None:
    """Opens what the shell has closed, and lets names through that are no text.

    A closed descriptor would be given to the next file that is opened, and what libraries write on stderr would go
    into it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest free descriptor, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115  # as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as Python has stderr


def show(text: str) -> None:
    """Writes on stdout what the user asked for.

    Raises:
        SystemExit: with CLOSED_PIPE, where the reader has gone, as `head` does after its lines.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _silence(1)
        raise SystemExit(CLOSED_PIPE) from None


def tell(text: str) -> None:
    """Writes a line on stderr; where that is not possible, nothing happens."""
    write(f"{text}\n")


def write(text: str) -> None:
    """Writes on stderr as it is, without ending the line."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # its reader has gone, or its disk is full
        _silence(2)


@contextlib.contextmanager
def native_stderr_held_back() -> Iterator[None]:
    """Keeps what libraries write on file descriptor 2 from the user unless the block fails."""
    write("")
    with contextlib.ExitStack() as stack:
        try:
            held_back = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # no temporary folder can be written, as in a read-only container
            yield
            return
        shown = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            with contextlib.suppress(OSError):
                os.write(shown, held_back.read())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)


def _silence(descriptor: int) -> None:
    """Sends what follows nowhere, and so what Python would flush at its end and fail on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
