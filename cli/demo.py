"""`nst-tf demo`: a sample photograph in the style of a sample painting, at a size that takes minutes."""

import sys

from . import program, stylize

OUTPUT = "outputs/demo.png"


def run(argv: list[str]) -> int:
    """Runs `nst-tf stylize` on the samples; further flags override the demo's."""
    if any(argument in program.HELP_FLAGS for argument in argv[1:]):
        return stylize.run([argv[0], "--help"])
    return program.guarded(lambda: _run(argv), argv[0])


def _run(argv: list[str]) -> int:
    program.load_tensorflow()
    from nst_tf import precision

    policy, reason = precision.resolve("auto")
    size_px = 512
    if policy == "float32":
        size_px = 384
        program.say(f"computing at {size_px} px instead of 512 so that it takes only minutes: {reason}")
    pictures = ["--content=sample:temple", "--style=sample:great-wave"]
    return stylize.run([argv[0], *pictures, f"--output={OUTPUT}", f"--size={size_px}", *argv[1:]])


if __name__ == "__main__":
    sys.exit(run(["nst-tf demo", *sys.argv[1:]]))
