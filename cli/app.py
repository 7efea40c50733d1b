"""`nst-tf app`: a page in the browser that does what the command line does. In a checkout also `python -m cli.app`."""

import contextlib
import os
import sys
import threading
import webbrowser

from nst_tf import configs, errors

from . import config_flags, program

config_flags.define(configs.AppConfig)

_INTRO = """nst-tf app: a page in the browser: drop a photograph, pick a painting, watch it become one

  nst-tf app
  nst-tf app --no-open --port=8080
  nst-tf app --host=0.0.0.0 --allowed_origins=https://art.example.org --root_path=/art

Everything stays on this machine: the page loads nothing from elsewhere and sends nothing elsewhere. The networks'
weights are fetched once (nst-tf weights). Ctrl-C ends the server and removes what its visitors uploaded. See
docs/app.md."""
_NEEDED = ("starlette", "uvicorn")


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, ["--noopen" if word == "--no-open" else word for word in argv], help_text)


def main() -> int:
    """Serves the page until it is interrupted."""
    config = config_flags.config_from_flags(configs.AppConfig)
    for package in _NEEDED:
        errors.need_package("the page needs", package, package, "app", kind=errors.ServingError)
    from nst_tf.serving.page import guard, running, studio

    started = threading.Event()

    def on_start(address: str) -> None:
        program.say(f"the page is at {address} (Ctrl-C ends it)")
        started.set()
        if config.open:
            webbrowser.open(address)

    if guard.exposes(config):
        program.say(
            f"warning: --host={config.host} lets every machine that reaches this one upload pictures and use its "
            "processor, without a password. See docs/app.md."
        )

    def prepare() -> None:
        started.wait()  # what is said while TensorFlow loads is lost
        program.load_tensorflow(threads=config.threads)

    work = studio.Studio(prepare=prepare)
    try:
        running.serve(config, work, on_start=on_start)
    except KeyboardInterrupt:
        program.say("the page has ended, and its pictures are removed")
        _end_now()
    return 0


def _end_now() -> None:
    """Ends the process without Python's own end, which aborts where a thread is still inside TensorFlow's C++ code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.AppConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf app", *sys.argv[1:]]))
