"""What every program of the command line shares: parsing, help, exit codes, one-line errors."""

import contextlib
import os
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags, logging

from nst_tf import errors, files, keras_backend
from nst_tf.optimisation import checkpoint
from nst_tf.weights import cache

from . import streams

HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "--helpshort")
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow keeps memory for the next operation in place of taking it from the system anew, as its oneDNN operations do
# anyway where they are on; its own limit would be 64 GB.
_ALLOCATOR = {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPU_BFC_MEM_LIMIT_IN_MB": str(2**20)}
MISTAKE = 2  # exit code for every mistake of the user
INTERRUPTED = 130  # 128 + SIGINT
VERBOSITY = (
    "--verbosity=-1",
    "How much is reported: -1 warnings only, 0 notes and progress, 1 debugging. (default 0)",
)


def run(main: Callable[[], int], argv: list[str], help_text: Callable[[], str]) -> int:
    """Parses the flags, runs a program, and turns what it raises into an exit code.

    Args:
        main: the program, called with the flags parsed.
        argv: the program's name and its arguments.
        help_text: makes the text for --help.

    Returns:
        main's own code, or 2 with one line on stderr for a user's mistake, or 130 when interrupted.
    """
    streams.prepare()
    if any(argument in HELP_FLAGS for argument in argv[1:]):
        streams.show(help_text())
        return 0

    def parsed() -> int:
        rest = flags.FLAGS(argv)[1:]
        if rest:
            raise flags.Error(f"unexpected argument {rest[0]!r}; flags are written --name=value")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.INFO)
        return main()

    return guarded(parsed, argv[0])


def guarded(main: Callable[[], int], name: str) -> int:
    """Turns what a program raises into an exit code, as `run` says; name is the program's."""
    try:
        return main()
    except (flags.Error, errors.NstError) as error:
        streams.tell(f"{name}: {errors.one_line(error, max_characters=2000)}")
        if isinstance(error, flags.Error):
            streams.tell(f"{name} --help lists the flags.")
        return MISTAKE
    except KeyboardInterrupt:
        streams.tell(f"{name}: interrupted before there was a picture to save.")
        return INTERRUPTED


def say(message: str) -> None:
    """Prints a line for the user on stderr, unless --verbosity is below 0."""
    if logging.get_verbosity() >= logging.INFO:
        streams.tell(message)


def load_tensorflow(*, weights: Sequence[str] = (), deterministic: bool = False, threads: int = 0) -> None:
    """Imports TensorFlow and looks for devices, without the notes of its C++ side, which no log level stops.

    They are shown if TF_CPP_MIN_LOG_LEVEL asks for them (0 or 1) or if loading fails.

    Args:
        weights: where the weights that the job needs come from; their cache is checked first.
        deterministic: whether every operation must give the same bits each time.
        threads: TensorFlow's; 0 leaves them to TensorFlow, which takes one for each hardware thread.

    Raises:
        ConfigError: Keras is set to compute with another library.
        WeightsError: the cache of weights can be neither read nor written.
    """
    keras_backend.check()
    cache.check(*weights)
    files.ensure_temporary_folder()
    for name, value in {_LOG_LEVEL: "2", **_ALLOCATOR}.items():  # read when TensorFlow loads; the user's values win
        os.environ.setdefault(name, value)
    say("loading TensorFlow")
    shows_all = os.environ[_LOG_LEVEL] in ("0", "1")
    with contextlib.nullcontext() if shows_all else streams.native_stderr_held_back():
        import tensorflow as tf

        tf.config.list_physical_devices()
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if deterministic:
            tf.config.experimental.enable_op_determinism()


def checkpoints(command: Any) -> checkpoint.Checkpoints | None:
    """The checkpoints that --checkpoint_dir, --checkpoint_interval_s and --resume ask for; None where none are.

    Raises:
        flags.IllegalFlagValueError: --resume without a folder.
        NstError: as `checkpoint.Checkpoints` raises it.
    """
    if not command.checkpoint_dir:
        if command.resume:
            raise flags.IllegalFlagValueError("--resume needs --checkpoint_dir, the folder of the run to continue")
        return None
    return checkpoint.Checkpoints(
        command.checkpoint_dir, interval_s=command.checkpoint_interval_s, resume=command.resume
    )


def end_checkpoints(kept: checkpoint.Checkpoints | None, *, stopped_early: bool) -> None:
    """Removes the checkpoint of a run that has ended and is saved; of one that was stopped, says how to continue.

    Args:
        kept: as `checkpoints` returns them.
        stopped_early: whether the run was stopped.

    Raises:
        OutputError: it cannot be removed.
    """
    if kept and stopped_early:
        say(f"the checkpoint is kept in {kept.path}: the same command with --resume continues")
    elif kept:
        kept.remove()


def render_help(intro: str, groups: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Lays out a help text: the intro, then each group's heading with its (term, explanation) rows.

    The row of --verbosity, which absl defines for every program, is added to the group Reports.
    """
    groups = {**groups, "Reports": [*groups.get("Reports", ()), VERBOSITY]}
    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    lines = [intro]
    for group, rows in groups.items():
        lines += ["", group]
        for term, explanation in rows:
            lines.append(f"  {term}")
            lines += textwrap.wrap(explanation, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
