"""Runs jobs of the command line and programs, each in a process forked from one that has imported all.

    python -m tests.programs.command_server

Reads one line of JSON for each: its arguments, or the program's path; the folder it runs in, what its environment has
beside this one's, the files that take its output, and the seconds it may take. Answers with its process. A line with a
process asks for its exit code; the answer is empty while it runs, unless the line says to wait. This process runs no
operation of TensorFlow, which would not survive a fork.
"""

import faulthandler
import gc
import importlib
import json
import os
import runpy
import sys
import traceback

IMPORTED = (
    "cli.main", "cli.config_flags", "cli.progress", "nst_tf.evaluation.scores", "nst_tf.export.bundle",
    "nst_tf.figures.rendering", "nst_tf.networks.one_pass", "nst_tf.optimisation.tensorboard",
    "nst_tf.optimisation.transfer", "nst_tf.pipelines.jobs", "nst_tf.serving.client",
)  # fmt: skip


def main() -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    # Half the time of a trace; programs in processes of their own have it on.
    sys.modules["tensorflow"].config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.collect()
    gc.freeze()  # what a job looks through for garbage it has to copy first
    for line in sys.stdin:
        request = json.loads(line)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], 0 if request["wait"] else os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else "", flush=True)
            continue
        pid = os.fork()
        if not pid:
            _run(request)
        print(pid, flush=True)


def _run(job: dict) -> None:
    """Runs one job and ends this process with its exit code, as `cli.main.run` does."""
    code = 1
    try:
        for number, path in enumerate((os.devnull, job["stdout"], job["stderr"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        faulthandler.dump_traceback_later(job["timeout_s"], exit=True)
        os.chdir(job["folder"])
        os.environ.update(job["env"])
        if job["program"]:
            runpy.run_path(job["program"], run_name="__main__")
            code = 0
        else:
            code = sys.modules["cli.main"].main(["nst-tf", *job["arguments"]])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
