"""Whether the presets of papers and other systems give what an earlier commit gave, bit for bit.

    git worktree add --detach ../d2d820e d2d820e
    python -m benchmarks.bit_for_bit --checkout=../d2d820e

Each preset runs by the command in both, in float32, here with `--convolution=direct`, which is the only form of that
commit. Compared are the files, of 16 bits, the lowest objective, and every term at every step, of which a record has
six digits. The original weights are those that `nst-tf weights --fetch=all` has put into the cache.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from absl import app, flags

from nst_tf import configs, results
from nst_tf.pictures import samples
from nst_tf.weights import cache

_HERE = pathlib.Path(__file__).resolve().parents[1]
_CHECKOUT = flags.DEFINE_string("checkout", None, "the earlier commit's folder", required=True)
_PRESETS = flags.DEFINE_list(
    "presets", "gatys,gatys-original,equations,neural-style,tensorflow-tutorial,keras-example", "those that both have"
)
_CONTENT = flags.DEFINE_string("content", str(samples.path_of("sample:temple")), "file of a picture")
_STYLE = flags.DEFINE_string("style", str(samples.path_of("sample:starry-night")), "the same")
_SIZE = flags.DEFINE_integer("size", 128, "px")
_STEPS = flags.DEFINE_integer("steps", 25, "evaluations")


def main(_):
    differing = 0
    print("| preset | optimiser | picture | steps that differ | objective then and now |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for preset in _PRESETS.value:
            picture_then, then = drawn(_CHECKOUT.value, preset, pathlib.Path(folder, "then.png"))
            picture_now, now = drawn(_HERE, preset, pathlib.Path(folder, "now.png"), "--convolution=direct")
            steps = steps_that_differ(then["losses"], now["losses"])
            differing += picture_then != picture_now or steps > 0 or then["best_loss"] != now["best_loss"]
            said = "the same" if picture_then == picture_now else "differs"
            objectives = f"{then['best_loss']:.9g}, {now['best_loss']:.9g}"
            print(f"| {preset} | {now['config']['optimizer']} | {said} | {steps} | {objectives} |", flush=True)
    sys.exit(1 if differing else 0)


def drawn(checkout, preset, path, *options):
    """The bytes of the file that a checkout's command writes, and its record."""
    checkout = pathlib.Path(checkout).resolve()
    network = configs.preset(preset).network
    if network == "original":
        options = (*options, f"--network={network}", f"--weights={cache.folder() / 'vgg19-imagenet.weights.h5'}")
    content, style = (pathlib.Path(each).resolve() for each in (_CONTENT.value, _STYLE.value))
    command = [sys.executable, "-m", "cli.main", "stylize", f"--content={content}", f"--style={style}"]
    settings = [f"--preset={preset}", f"--size={_SIZE.value}", f"--steps={_STEPS.value}", "--precision=float32"]
    subprocess.run(
        [*command, *settings, *options, "--bit_depth=16", f"--output={path}"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        check=True,
    )
    return path.read_bytes(), json.loads(pathlib.Path(results.record_path(path)).read_text())


def steps_that_differ(then, now):
    """At how many steps a term differs, or is there in one of two records only and not 0."""
    values = [losses.get(term, [0.0] * _STEPS.value) for term in then | now for losses in (then, now)]
    pairs = list(zip(values[::2], values[1::2], strict=True))
    return sum(any(a[step] != b[step] for a, b in pairs) for step in range(_STEPS.value))


if __name__ == "__main__":
    app.run(main)
