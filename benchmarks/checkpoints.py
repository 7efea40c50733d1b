"""What checkpoints cost: seconds per step plain, with deterministic operations, and with a write after every step.

    python -m benchmarks.checkpoints --size=512

Each run is `nst-tf stylize` in a process of its own; the ways alternate, and medians are printed.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from absl import app, flags

_SIZE = flags.DEFINE_integer("size", 512, "long side, px")
_STEPS = flags.DEFINE_integer("steps", 8, "of each run")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "runs of each way")
_OPTIMIZER = flags.DEFINE_string("optimizer", "lbfgs", "lbfgs or adam")

WAYS = {
    "plain": [],
    "deterministic, no checkpoint due": ["--checkpoint_interval_s=1e9"],
    "a checkpoint after every step": ["--checkpoint_interval_s=0"],
}


def main(_):
    seconds = {name: [] for name in WAYS}
    for _ in range(_ROUNDS.value):
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(seconds_per_step(pathlib.Path(folder), way))
    plain = statistics.median(seconds["plain"])
    print(f"{_OPTIMIZER.value}, {_SIZE.value} px, {_STEPS.value} steps, median of {_ROUNDS.value} runs each")
    print("| way | s per step | ratio |\n|---|---|---|")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.3f} ({min(values):.3f} to {max(values):.3f}) | {median / plain:.3f} |")


def seconds_per_step(folder, way):
    command = [sys.executable, "-m", "cli.stylize", "--content=sample:launch-pad", "--style=sample:van-gogh"]
    command += [f"--size={_SIZE.value}", "--scales=1", f"--steps={_STEPS.value}", f"--optimizer={_OPTIMIZER.value}"]
    command += [f"--output={folder / 'out.png'}", "--verbosity=-1", *way]
    if way:
        command.append(f"--checkpoint_dir={folder}")
    subprocess.run(command, check=True)
    return json.loads((folder / "out.png.json").read_text())["seconds_per_step"]


if __name__ == "__main__":
    app.run(main)
