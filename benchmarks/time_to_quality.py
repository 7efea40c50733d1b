"""Seconds to quality: how long nst_tf takes to the objective that PyTorch has at the end of its run.

    python -m benchmarks.time_to_quality --size=256 --peer_steps=250      within 20 minutes
    python -m benchmarks.time_to_quality --size=512 --peer_steps=1000     hours

The peers are PyTorch's Adam, clipped after each step, and its L-BFGS on pixels, clipped at the end, as the published
packages do it; both in float32, channels last, from the content picture. Ours is the preset `default` at the same final
size, in the number format that it picks by itself (bfloat16 where the CPU has it; --precision asks for another). Its
coarser first sizes, tracing and targets count, where PyTorch's targets do not. Every loss is the same float32 objective
of the picture in [0, 1] that a user gets. Imports and reading the weights are left out on both sides.
One run each, one after the other, each in a process of its own. Needs the extra `bench`.
"""

import concurrent.futures
import multiprocessing
import pathlib
import time

import numpy as np
from absl import app, flags

from benchmarks import contestants

_SIZE = flags.DEFINE_integer("size", 256, "side of the square pictures, px")
_PEER_STEPS = flags.DEFINE_integer("peer_steps", 250, "steps of Adam, iterations of L-BFGS")
_PEERS = flags.DEFINE_multi_enum(
    "peers", ["adam", "lbfgs"], ["adam", "lbfgs"], "which of PyTorch's; give it once for each"
)
_LAYOUT = flags.DEFINE_enum("layout", "channels-last", ["channels-last", "contiguous"], "memory layout of the peers")
_SCALES = flags.DEFINE_list("scales", ["1", "2", "3"], "ours: sizes passed through, a row for each")
_COARSE_STEPS = flags.DEFINE_integer("coarse_steps", 60, "ours: evaluations at each coarser size")
_STEPS = flags.DEFINE_integer("steps", 300, "ours: most evaluations at the final size")
_EVERY = flags.DEFINE_integer("every", 5, "ours: evaluations between two looks at the picture")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture, resized to a square")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture, resized to a square")
_PRECISION = flags.DEFINE_string("precision", "auto", "ours: as the setting")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "folder that the last pictures are written to")


def main(_):
    content, style = contestants.squares(_SIZE.value, _CONTENT.value, _STYLE.value)
    runs = {f"PyTorch {peer}": (torch_run, peer, _PEER_STEPS.value, _LAYOUT.value) for peer in _PEERS.value}
    for scales in map(int, _SCALES.value):
        settings = {"scales": scales, "steps": _STEPS.value, "coarse_steps": _COARSE_STEPS.value}
        settings |= {"precision": _PRECISION.value, "snapshot_interval": _EVERY.value}
        runs[f"nst_tf, {scales} size{'s' * (scales > 1)}"] = (our_run, settings)
    print(f"{_SIZE.value} x {_SIZE.value} px, {_CONTENT.value} in the style of {_STYLE.value}\n", flush=True)
    print("| run | evaluations, s: loss |\n|---|---|")
    traces = {}
    for name, (run, *arguments) in runs.items():
        traces[name] = in_a_process(run, content, style, *arguments)
        print(f"| {name} | {told(traces[name])} |", flush=True)
        save(name, traces[name])
    print("\n| peer | its loss | its s | run | s to that loss | times faster |\n|---|---|---|---|---|---|")
    for peer in (name for name in runs if name.startswith("PyTorch")):
        _, peer_s, goal, _ = traces[peer][-1]
        for name in (name for name in runs if not name.startswith("PyTorch")):
            seconds = next((seconds for _, seconds, loss, _ in traces[name] if loss <= goal), None)
            reached = "not reached | " if seconds is None else f"{seconds:.0f} | {peer_s / seconds:.1f}"
            print(f"| {peer} | {goal:.4g} | {peer_s:.0f} | {name} | {reached} |")


def in_a_process(run, *arguments):
    """What a run gives, from a process that ends with it."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(judged, run, *arguments).result()


def judged(run, content, style, *arguments):
    """A run's looks with the loss of each: (evaluations, seconds, loss, picture) in their order."""
    looks = run(content, style, *arguments)

    import tensorflow as tf

    from nst_tf import configs

    config = configs.preset("default", **configs.WITHOUT_CLEANING)
    goal, targets = contestants.nst_tf_objective(content, style, config, "float32")
    total = tf.function(lambda image: goal.terms(image, targets).total[0])
    return [(*when, float(total(tf.constant(image))), image) for *when, image in looks]


def torch_run(content, style, method, steps, layout):
    """PyTorch's run: (evaluations, seconds, picture in range) at a few of its steps and the last."""
    from nst_tf import machine

    goal = contestants.TorchObjective(content, style, {}, machine.cores(), "float32", layout)
    began = time.perf_counter()
    marks = {steps} | {mark for mark in (10, 25, 50, 100, 250, 500) if mark < steps}
    image = goal.content.clone(memory_format=goal.torch.contiguous_format).requires_grad_(True)  # LBFGS wants it so
    looks = []

    def look(done):
        if done in marks and done not in [mark for mark, *_ in looks]:
            seconds = time.perf_counter() - began
            pixels = image.detach().clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
            looks.append((done, seconds, pixels))

    if method == "adam":
        optimizer = goal.torch.optim.Adam([image], lr=contestants.LEARNING_RATE)
        for done in range(1, steps + 1):
            optimizer.zero_grad()
            goal.loss(image).backward()
            optimizer.step()
            with goal.torch.no_grad():
                image.clamp_(0, 1)
            look(done)
        return looks
    optimizer = goal.torch.optim.LBFGS(
        [image], max_iter=steps, tolerance_grad=-1, tolerance_change=-1, history_size=contestants.TORCH_HISTORY
    )
    evaluations = 0

    def closure():
        nonlocal evaluations
        look(evaluations)  # of the iterations before this evaluation
        evaluations += 1
        optimizer.zero_grad()
        loss = goal.loss(image)
        loss.backward()
        return loss

    optimizer.step(closure)
    evaluations = steps
    look(steps)
    return looks


def our_run(content, style, settings):
    """The run of nst_tf: (evaluations, seconds, picture) at every look at the final size."""
    from nst_tf import configs
    from nst_tf.losses import on_vgg19
    from nst_tf.optimisation import transfer

    config = configs.preset("default", max_side_px=content.shape[1], **configs.WITHOUT_CLEANING, **settings)
    networks = on_vgg19.SharedNetworks(config.layers)
    networks.network(config, lambda _: None)  # read and built before the clock starts
    engine = transfer.StyleTransfer(config, networks=networks)
    looks = []
    began = time.perf_counter()

    def on_report(report):
        if report.is_snapshot:
            image = report.image()
            if image.shape == content.shape:
                looks.append((report.step, time.perf_counter() - began, image))

    engine(content, style, on_report=on_report, on_message=lambda _: None)
    return looks


def told(trace):
    """A few of the looks."""
    shown = (
        trace
        if len(trace) <= 8
        else [trace[index] for index in np.unique(np.geomspace(1, len(trace), 8).astype(int) - 1)]
    )
    return "; ".join(f"{done}, {seconds:.0f} s: {loss:.4g}" for done, seconds, loss, _ in shown)


def save(name, trace):
    if _OUTPUT_DIR.value:
        from nst_tf.pictures import images

        images.save(pathlib.Path(_OUTPUT_DIR.value) / f"{name.replace(', ', ' ').replace(' ', '-')}.png", trace[-1][-1])


if __name__ == "__main__":
    app.run(main)
