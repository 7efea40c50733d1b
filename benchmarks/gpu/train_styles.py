"""Trains a network for several paintings on a GPU by the step that `lower_styles.py` wrote, and writes its weights.

    python -m benchmarks.gpu.lower_styles --folder=in --paintings=FOLDER         # where TensorFlow is
    python -m benchmarks.gpu.train_styles --folder=in --photographs=FOLDER,FOLDER --output_dir=out --seconds=240

It needs JAX, NumPy, Pillow and absl, and this project's files, but not TensorFlow. Squares of photographs are cut as
`nst-tf train` cuts them, beforehand, and wait in the GPU's memory. The rate rises and falls as in `nst-tf train`, over
the time that --seconds gives in place of a number of steps, since time on a GPU is what one pays for. With several
weights of the style each gets an equal part of the time and starts anew.
"""

import concurrent.futures
import json
import math
import multiprocessing
import os
import pathlib
import time

import numpy as np
from absl import app, flags

from benchmarks.gpu import lowering

_FOLDER = flags.DEFINE_string("folder", None, "that lower_styles.py wrote", required=True)
_PHOTOGRAPHS = flags.DEFINE_list("photographs", None, "folders or globs of photographs", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "where the weights go", required=True)
_SECONDS = flags.DEFINE_float("seconds", 240.0, "of training, without preparation", lower_bound=1)
_STYLE_WEIGHTS = flags.DEFINE_list("style_weights", ["1"], "each is trained with")
_CONTENT_WEIGHT = flags.DEFINE_float("content_weight", 0.25, "of the content term", lower_bound=0)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "of Adam, at its highest", lower_bound=0)
_SQUARES = flags.DEFINE_integer("squares", 16000, "that are cut from the photographs", lower_bound=1)
_FLAT_SHARE = flags.DEFINE_float(
    "flat_share", 0.25, "of the squares that get an even sky", lower_bound=0, upper_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "of the squares and their order")

WARM_UP_STEPS, FINAL_RATE = 200, 0.05
REPORT_EVERY = 250
LONGEST = 10**6


def main(_):
    import jax
    from jax.extend import backend
    from jaxlib import _jax

    began = time.perf_counter()
    folder = pathlib.Path(_FOLDER.value)
    about = json.loads((folder / "about.json").read_text())
    pool = concurrent.futures.ThreadPoolExecutor(1).submit(squares, about["side_px"])
    device = jax.devices()[0]
    module = (folder / "step.stablehlo").read_bytes()
    executable = backend.get_backend().compile_and_load(module, _jax.DeviceList((device,)), _jax.CompileOptions())
    print(f"{device.device_kind}: compiled after {time.perf_counter() - began:.0f} s", flush=True)
    constant = {
        name: jax.device_put(array.astype(np.float32), device)
        for name, array in (arrays("vgg") | arrays("targets")).items()
    }
    photographs = jax.device_put(pool.result(), device)
    print(f"{len(photographs)} squares after {time.perf_counter() - began:.0f} s", flush=True)
    weights = [float(weight) for weight in _STYLE_WEIGHTS.value]
    for weight in weights:
        run = Run(executable, about, constant, photographs, device)
        state = run.train(weight, _SECONDS.value / len(weights))
        kept = {
            name: np.asarray(value).astype(np.float16 if name.startswith("kernel") else np.float32)
            for name, value in state.items()
        }
        path = pathlib.Path(_OUTPUT_DIR.value) / f"styles_{weight:g}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        lowering.write(path, lambda file, kept=kept: np.savez(file, **kept))
    print(f"{time.perf_counter() - began:.0f} s in all")


def arrays(name):
    """Arrays of a file in the folder."""
    with np.load(pathlib.Path(_FOLDER.value) / f"{name}.npz") as file:
        return dict(file)


def squares(side_px):
    """Uint8 [P, S, S, 3], cut by every core."""
    workers = os.cpu_count() or 1
    each = math.ceil(_SQUARES.value / workers)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        given = [
            (_PHOTOGRAPHS.value, side_px, _FLAT_SHARE.value, [_SEED.value, worker], each) for worker in range(workers)
        ]
        return np.concatenate(list(pool.map(cut, given)))


def cut(given):
    """Some squares, uint8 [N, S, S, 3], by one process."""
    from nst_tf.training import photographs

    folders, side_px, flat_share, seed, count = given
    found = [path for folder in folders for path in photographs.find(folder)]
    stream = photographs.Squares(found, side_px, flat_share=flat_share, seed=seed, on_message=print)
    return np.concatenate([np.round(next(stream) * 255).astype(np.uint8) for _ in range(count)])


class Run:
    """One training from the start."""

    def __init__(self, executable, about, constant, photographs, device):
        import jax

        self._executable, self._about, self._photographs, self._device = executable, about, photographs, device
        start = arrays("state")
        zeros = {f"{kind}/{name}": np.zeros_like(array) for name, array in start.items() for kind in ("mean", "square")}
        self._names = list(start)
        self._values = dict(constant)
        self._values |= {name: jax.device_put(array, device) for name, array in (start | zeros).items()}

        def chosen(photographs, order, is_mirrored):
            batch = photographs[order].astype("float32") / 255
            return jax.numpy.where(is_mirrored[:, None, None, None], batch[:, :, ::-1], batch)

        self._chosen = jax.jit(chosen)

    def train(self, style_weight, seconds):
        """Trains for some seconds; the shared kernels and each style's scales and shifts."""
        random, began, kept = np.random.default_rng(_SEED.value), time.perf_counter(), None
        batch, styles = self._about["batch"], len(self._about["styles"])
        sequence = np.arange(0)
        self._put(content_weight=_CONTENT_WEIGHT.value, style_weight=style_weight)
        for step in range(1, LONGEST):
            share = (time.perf_counter() - began) / seconds
            if share >= 1:
                break
            rate = _LEARNING_RATE.value * min(1.0, step / WARM_UP_STEPS)
            rate *= FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * share)) / 2
            while len(sequence) < batch:
                sequence = np.concatenate([sequence, random.permutation(styles)])
            now, sequence = sequence[:batch], sequence[batch:]
            order = random.integers(len(self._photographs), size=batch)
            self._values["squares"] = self._chosen(self._photographs, order, random.random(batch) < 0.5)
            self._put(styles=now.astype(np.int32), rate=rate, updates=float(step))
            terms = self._step()
            if step % REPORT_EVERY == 0:  # waits for the device, so that the clock and the rate keep to it
                numbers = [float(np.asarray(term)) for term in terms]
                if not np.isfinite(numbers).all():
                    print(f"step {step}: not finite; the state of step {step - REPORT_EVERY} is the result")
                    return kept
                kept = {name: self._values[name] for name in self._names}
                words = " ".join(
                    f"{name} {n:.4f}" for name, n in zip(("total", "content", "style", "tv"), numbers, strict=True)
                )
                if step % (8 * REPORT_EVERY) == 0:
                    print(
                        f"style weight {style_weight:g}, step {step}, {time.perf_counter() - began:.0f} s: {words}",
                        flush=True,
                    )
        print(
            f"style weight {style_weight:g}: {step} steps of {batch} squares in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        return {name: self._values[name] for name in self._names}

    def _put(self, **given):
        import jax

        for name, value in given.items():
            array = value if isinstance(value, np.ndarray) else np.float32(value)
            self._values[name] = jax.device_put(array, self._device)

    def _step(self):
        results = self._executable.execute_sharded([self._values[name] for name in self._about["takes"]])
        results = [arrays[0] for arrays in results.disassemble_into_single_device_arrays()]
        terms = self._about["terms"]
        self._values.update(zip(self._about["gives"], results[terms:], strict=True))
        return results[:terms]


if __name__ == "__main__":
    app.run(main)
