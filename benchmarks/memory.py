"""Peak memory and time against size, whole and in tiles, each in a process of its own through the path that users run.

    python -m benchmarks.memory --sizes=1024,2048,4096 --budgets=100000,4096,4096 --optimizer=adam

A square picture of smooth noise, a style of the same size, VGG-19. Peak is the process's VmHWM; CPU seconds are those
of all threads, which other work on the machine disturbs less than wall seconds.
"""

import json
import pathlib
import subprocess
import sys
import time

import numpy as np
from absl import app, flags

_SIZES = flags.DEFINE_list("sizes", ["512", "1024", "2048"], "sides, px")
_BUDGETS = flags.DEFINE_list("budgets", ["100000"], "memory_budget_mb of each size, or one for all")
_STEPS = flags.DEFINE_integer("steps", 3, "evaluations; the first, which traces, is not timed where there are more")
_OPTIMIZER = flags.DEFINE_string("optimizer", "adam", "adam or lbfgs")
_PRECISION = flags.DEFINE_string("precision", "auto", "as the setting")
_POOLING = flags.DEFINE_string("pooling", "average", "as the setting")
_WORKER = flags.DEFINE_boolean("worker", False, "measure one size in this process and print JSON")


def main(_):
    if _WORKER.value:
        print(json.dumps(measure(int(_SIZES.value[0]), int(_BUDGETS.value[0]))))
        return
    print("| size | plan | planned MB | peak MB | s/step | CPU s/step | CPU us/px |\n|---|---|---|---|---|---|---|")
    budgets = _BUDGETS.value if len(_BUDGETS.value) > 1 else _BUDGETS.value * len(_SIZES.value)
    for size, budget in zip(_SIZES.value, budgets, strict=True):
        command = [sys.executable, "-m", "benchmarks.memory", "--worker", f"--sizes={size}", f"--budgets={budget}"]
        command += [f"--{f.name}={f.value}" for f in (_STEPS, _OPTIMIZER, _PRECISION, _POOLING)]
        got = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
        per_px = 1e6 * got["cpu_s"] / int(size) ** 2
        print(
            f"| {size} | {got['plan']} | {got['planned_mb']:.0f} | {got['peak_mb']:.0f} | {got['wall_s']:.2f} | "
            f"{got['cpu_s']:.2f} | {per_px:.2f} |",
            flush=True,
        )


def measure(side_px, budget_mb):
    import tensorflow as tf

    from nst_tf import configs, precision
    from nst_tf.optimisation import memory_plan, transfer

    config = configs.preset(
        "default",
        max_side_px=side_px,
        scales=1,
        steps=_STEPS.value,
        optimizer=_OPTIMIZER.value,
        precision=_PRECISION.value,
        pooling=_POOLING.value,
        memory_budget_mb=budget_mb,
        snapshot_interval=1,  # so that every step is reported
    )
    policy = precision.resolve(config.precision)[0]
    plan = memory_plan.plan(config, policy, side_px, side_px, budget_mb * memory_plan.MIB)
    marks = []

    def picture(seed):
        coarse = np.random.default_rng(seed).uniform(0.1, 0.9, [1, side_px // 16, side_px // 16, 3])
        return tf.image.resize(coarse, [side_px, side_px]).numpy()

    def on_report(_):
        marks.append((time.perf_counter(), time.process_time()))

    transfer.stylize(picture(0), picture(1), config, on_report=on_report, on_message=lambda _: None)
    status = pathlib.Path("/proc/self/status").read_text()
    wall_s, cpu_s = np.median(np.diff(marks, axis=0), axis=0) if len(marks) > 1 else (float("nan"), float("nan"))
    return {
        "plan": f"{plan.tiles} x {plan.tile_width_px} x {plan.tile_height_px}" if plan.is_tiled else "whole",
        "planned_mb": plan.peak_bytes / memory_plan.MIB,
        "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1024,
        "wall_s": float(wall_s),
        "cpu_s": float(cpu_s),
    }


if __name__ == "__main__":
    app.run(main)
