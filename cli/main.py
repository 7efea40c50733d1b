"""`nst-tf JOB --flags`: finds the job's program and runs it. Imports no other program and no TensorFlow itself."""

import importlib
import sys

import nst_tf

from . import streams

JOBS = {
    "stylize": "render a photograph in the style of a painting",
    "video": "render a film in the style of a painting, without flicker",
    "train": "learn the style of a painting, for pictures in a second",
    "app": "open a page in the browser: drop a photograph, pick a painting",
    "figure": "repeat an experiment of the papers as a labelled grid of pictures, with tables",
    "sheet": "draw a picture in several styles, strengths and methods on one page, to choose by looking",
    "batch": "render whole folders of photographs in the style of a painting, with Apache Beam",
    "export": "write a bundle that TensorFlow Serving loads",
    "client": "have a server stylise a picture",
    "evaluate": "judge the results of any method: content and style losses, noise, artefacts, LPIPS",
    "doctor": "show what this machine has and what nst_tf chooses on it",
    "samples": "list the pictures that come with nst_tf, or draw them on one page",
    "weights": "list the networks' weights in the cache, or fetch all that a machine without a network needs",
    "demo": "stylise a sample picture into outputs/demo.png",
}


def run() -> None:
    """The entry point of the command `nst-tf`."""
    sys.exit(main(sys.argv))


def main(argv: list[str]) -> int:
    """Runs a job and returns its exit code: 0 done, 2 for a user's mistake, 130 when interrupted."""
    streams.prepare()
    job = argv[1] if len(argv) > 1 else "--help"
    if job in ("--help", "-h", "-help", "help"):
        streams.show(_usage())
        return 0
    if job == "--version":
        streams.show(f"nst-tf {nst_tf.__version__}")
        return 0
    if job not in JOBS:
        streams.tell(f"nst-tf: there is no job {job!r}. Choose one of {', '.join(JOBS)}; see nst-tf --help.")
        return 2
    program = importlib.import_module(f".{job}", __package__)
    return int(program.run([f"nst-tf {job}", *argv[2:]]))


def _usage() -> str:
    width = max(map(len, JOBS))
    jobs = "\n".join(f"  {job:{width}}  {summary}" for job, summary in JOBS.items())
    return (
        f"nst-tf {nst_tf.__version__}: neural style transfer after Gatys, Ecker and Bethge\n\n"
        "  nst-tf stylize --content=photo.jpg --style=painting.jpg --output=out.png\n\n"
        f"Jobs\n{jobs}\n\nnst-tf JOB --help explains a job's flags."
    )


if __name__ == "__main__":
    run()
