"""Whether the presets of papers and other systems give what an earlier commit gave, bit for bit.

    git worktree add --detach ../d2d820e d2d820e
    python -m benchmarks.bit_for_bit --checkout=../d2d820e

Each preset runs by the command in both, here with `--convolution=direct`, which is the only form of that commit.
Compared are the picture's pixels, of 16 bits, and every term of the objective at every step. The original weights are
those that `nst-tf weights --fetch=all` has put into the cache.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from absl import app, flags

from nst_tf import configs
from nst_tf.weights import cache

_HERE = pathlib.Path(__file__).parents[1]
_SAMPLES = _HERE / "nst_tf/pictures/samples"
_CHECKOUT = flags.DEFINE_string("checkout", None, "the earlier commit's folder", required=True)
_PRESETS = flags.DEFINE_list(
    "presets", "gatys,gatys-original,equations,neural-style,tensorflow-tutorial,keras-example", "those that both have"
)
_CONTENT = flags.DEFINE_string("content", str(_SAMPLES / "temple.jpg"), "picture")
_STYLE = flags.DEFINE_string("style", str(_SAMPLES / "starry-night.jpg"), "picture")
_SIZE = flags.DEFINE_integer("size", 128, "px")
_STEPS = flags.DEFINE_integer("steps", 25, "evaluations")


def main(_):
    differing = 0
    print("| preset | optimiser | picture | steps that differ | objective then and now |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for preset in _PRESETS.value:
            picture, then = drawn(pathlib.Path(_CHECKOUT.value).resolve(), preset, pathlib.Path(folder, "then.png"))
            same, now = drawn(_HERE, preset, pathlib.Path(folder, "now.png"), "--convolution=direct")
            terms = then["losses"].keys() & now["losses"].keys()
            steps = sum(
                any(then["losses"][term][step] != now["losses"][term][step] for term in terms)
                for step in range(_STEPS.value)
            )
            differing += picture != same or steps > 0
            said = "the same" if picture == same else "differs"
            objectives = f"{then['best_loss']:.9g}, {now['best_loss']:.9g}"
            print(f"| {preset} | {now['config']['optimizer']} | {said} | {steps} | {objectives} |", flush=True)
    sys.exit(1 if differing else 0)


def drawn(checkout, preset, path, *options):
    """The bytes of a picture that a checkout's command writes, and its record."""
    network = configs.preset(preset).network
    if network == "original":
        options = (*options, f"--network={network}", f"--weights={cache.folder() / 'vgg19-imagenet.weights.h5'}")
    command = [sys.executable, "-m", "cli.main", "stylize", f"--content={_CONTENT.value}", f"--style={_STYLE.value}"]
    settings = [f"--preset={preset}", f"--size={_SIZE.value}", f"--steps={_STEPS.value}", "--precision=float32"]
    subprocess.run(
        [*command, *settings, *options, "--bit_depth=16", f"--output={path}"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        check=True,
    )
    return path.read_bytes(), json.loads(path.with_name(f"{path.name}.json").read_text())


if __name__ == "__main__":
    app.run(main)
