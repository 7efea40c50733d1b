"""`nst-tf demo`: a sample photograph in the style of a sample painting: at once in one pass, then optimised."""

import sys

from absl import logging

from nst_tf import configs, errors

from . import program, stylize

OUTPUT = "outputs/demo.png"
CONTENT, STYLE, LEARNED_STYLE = "sample:temple", "sample:starry-night", "style:starry-night"
SIZE_PX, SMALLER_SIZE_PX = 512, 384


def run(argv: list[str]) -> int:
    """Runs `nst-tf stylize` on the samples; further flags override the demo's, and leave out the first picture."""
    if any(argument in program.HELP_FLAGS for argument in argv[1:]):
        return stylize.run([argv[0], "--help"])
    return program.guarded(lambda: _run(argv), argv[0])


def _run(argv: list[str]) -> int:
    if not any(argument.startswith("--verbosity") for argument in argv):
        logging.set_verbosity(logging.INFO)  # for the lines before `stylize` reads its flags
    program.load_tensorflow()
    from nst_tf import machine, precision

    policy, reason = precision.resolve("auto")
    size_px = SIZE_PX
    if policy == "float32" and "avx512f" not in machine.cpu_flags():
        size_px = SMALLER_SIZE_PX
        program.say(f"computing at {size_px} px instead of {SIZE_PX} so that it takes only minutes: {reason}")
    if len(argv) == 1:
        show_first_picture(size_px)
    pictures = [f"--content={CONTENT}", f"--style={STYLE}"]
    return stylize.run([argv[0], *pictures, f"--output={OUTPUT}", f"--size={size_px}", *argv[1:]])


def show_first_picture(size_px: int) -> None:
    """Writes what the network that has learned the style makes of the photograph, to look at in the meantime."""
    import nst_tf

    try:
        engine = nst_tf.MultiStyleTransfer(configs.MultiStyleConfig(max_side_px=size_px))
        engine(CONTENT, LEARNED_STYLE, on_message=program.say).save(OUTPUT)
    except errors.WeightsError as error:  # a download of its own, which the demo can do without
        program.say(f"there is no first picture. {error}")
        return
    program.say(f"{OUTPUT}: the first picture, by a network that has learned the style; the finished one replaces it")


if __name__ == "__main__":
    sys.exit(run(["nst-tf demo", *sys.argv[1:]]))
