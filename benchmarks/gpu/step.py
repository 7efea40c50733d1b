"""Seconds and memory of one step on a GPU, in four number formats: nst_tf's own step, Keras on JAX, and PyTorch.

    python -m benchmarks.gpu.lower --folder=/tmp/gpu --sizes=512,1024       # where nst_tf is
    python step.py --folder=/tmp/gpu --sizes=512,1024                       # where the GPU is

It stands alone: it needs this file, the folder that `lower.py` writes, and what the contestants need, JAX, Keras and
PyTorch, but neither TensorFlow nor nst_tf. Every contestant has the same weights of VGG-19 to conv5_1, pictures,
objective (eq. 7 as nst_tf's preset `default` has it) and Adam, and starts at the content picture:

    lowered           nst_tf's step as TensorFlow lowered it to StableHLO, compiled and run by jaxlib's XLA
    keras-jax         the same written in keras.ops, in one jax.jit; keras-tensorflow likewise
    torch             PyTorch, channels last, fused Adam
    torch-graph       the same, the whole step captured in a CUDA graph
    torch-compiled    the same, the objective compiled by torch.compile and the step captured in a CUDA graph

Formats: float32, TF32 (float32 whose products are rounded to 10 bits), bfloat16 and float16 with the network in that
format, its Gram matrices in TF32 and everything else in float32. Each contestant and format has a process of its own,
so that one that fails or hangs costs its own rows only. The memory is the most that the process's arrays took in a
step: of XLA its plan (arguments, results, temporaries), of PyTorch what its allocator gave out. `loss` is that of the
content picture, `loss then` that after --long_steps more.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
from absl import app, flags

CONTESTANTS = ("lowered", "keras-jax", "torch", "torch-graph", "torch-compiled", "keras-tensorflow")
FORMATS = ("float32", "tf32", "bfloat16", "float16")

_FOLDER = flags.DEFINE_string("folder", None, "that lower.py wrote", required=True)
_CONTESTANTS = flags.DEFINE_list("contestants", list(CONTESTANTS[:-1]), f"of {', '.join(CONTESTANTS)}")
_SIZES = flags.DEFINE_list("sizes", ["512", "1024"], "sides of the square pictures, px, that lower.py was given")
_FORMATS = flags.DEFINE_list("formats", list(FORMATS), "number formats")
_STEPS = flags.DEFINE_integer("steps", 20, "steps in a round", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds, of which the median is taken", lower_bound=1)
_LONG_STEPS = flags.DEFINE_integer("long_steps", 500, "steps of the run whose picture is kept", lower_bound=1)
_LONG_SIDE = flags.DEFINE_integer("long_side", 512, "its side, px")
_OUT = flags.DEFINE_string("out", None, "folder for the rows and the pictures; none are written without it")
_MATRIX_SIDE = flags.DEFINE_integer("matrix_side", 8192, "of the product whose rate is the peak", lower_bound=1)
_LIMIT_S = flags.DEFINE_float("limit_s", 1800.0, "seconds after which no more contestants start")
_CHILD_LIMIT_S = flags.DEFINE_float("child_limit_s", 120.0, "seconds that one contestant may take in one format")
_ONLY = flags.DEFINE_string("only", None, "the contestant that this process runs; set by the program itself")

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))  # VGG-19 to conv5_1: filters, convolutions
BETA_2 = 0.999
MEAN_BGR = (103.939, 116.779, 123.68)
LARGEST_SCALE_EXPONENT = 12  # 16**12 = 2**48, as in nst_tf.precision


def main(_):
    if _ONLY.value == "peak":
        report({form: matrix_rate(form) for form in _FORMATS.value})
    elif _ONLY.value:
        run_alone(_ONLY.value, _FORMATS.value[0])
    else:
        run_all()


def run_all():
    began = time.perf_counter()
    peaks = {}
    for _, row in rows_of("peak", _FORMATS.value, began):
        peaks |= {form: rate for form, rate in row.items() if form in FORMATS}
        words = ", ".join(f"{form} {rate / 1e12:.1f}" for form, rate in row.items() if form in FORMATS)
        print(f"Rate of {_MATRIX_SIDE.value} x {_MATRIX_SIDE.value} matrix products, TFLOP/s: {words or row}\n")
    print(
        "| px | format | contestant | ms/step | spread | TFLOP/s | of peak | MiB | s to first steps | loss | "
        f"s for {_LONG_STEPS.value} steps | loss then |\n|---|---|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    kept = []
    for form in _FORMATS.value:
        for name in _CONTESTANTS.value:
            for seconds, row in rows_of(name, [form], began):
                kept.append({"contestant": name, "format": form, "process_s": seconds} | row)
                print(table_row(name, form, row, peaks.get(form)), flush=True)
                if _OUT.value:
                    write_text(pathlib.Path(_OUT.value) / "rows.json", json.dumps([peaks, *kept], indent=1))
    print(f"\n{time.perf_counter() - began:.0f} s in all")


def rows_of(name, forms, began):
    """Runs a contestant in a process of its own; yields its seconds and each of its rows."""
    left = _LIMIT_S.value - (time.perf_counter() - began)
    if left <= 0:
        yield 0.0, {"failed": "not run, the time was up"}
        return
    given = [f for f in sys.argv[1:] if not f.startswith(("--formats", "--only"))]
    command = [sys.executable, os.path.abspath(__file__), *given, f"--only={name}", f"--formats={','.join(forms)}"]
    started, why = time.perf_counter(), None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=min(left, _CHILD_LIMIT_S.value)
        )
        output = done.stdout
        if done.returncode:
            why = "; ".join(done.stderr.strip().splitlines()[-2:]) or f"exit code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, why = (error.stdout or b"").decode(), f"took more than {error.timeout:.0f} s"
    for line in output.splitlines():
        if line.startswith("{"):
            yield time.perf_counter() - started, json.loads(line)
    if why:
        yield time.perf_counter() - started, {"failed": why}


def table_row(name, form, row, peak):
    if "failed" in row:
        why = " ".join(row["failed"].replace("|", "/").split())[:200]
        return f"| {row.get('side', '')} | {form} | {name} | failed: {why} |" + " |" * 8
    rate = arithmetic(row["side"]) / row["s_per_step"]
    memory = f"{row['bytes'] / 2**20:.0f}" if row["bytes"] else ""
    long = f"{row['long_s']:.2f} | {row['long_loss']:.5g}" if "long_s" in row else " | "
    return (
        f"| {row['side']} | {form} | {name} | {row['s_per_step'] * 1e3:.3f} | {row['spread']:.0%} "
        f"| {rate / 1e12:.1f} | {f'{rate / peak:.0%}' if peak else ''} | {memory} | {row['first_s']:.1f} "
        f"| {row['loss']:.6g} | {long} |"
    )


def report(row):
    print(json.dumps(row), flush=True)


def run_alone(name, form):
    """One contestant in one format at every size; prints a JSON object for each."""
    build = {
        "lowered": lowered_step,
        "keras-jax": keras_step,
        "keras-tensorflow": keras_step,
        "torch": torch_step,
        "torch-graph": lambda *a: torch_step(*a, graph=True),
        "torch-compiled": lambda *a: torch_step(*a, graph=True, is_compiled=True),
    }[name]
    os.environ["KERAS_BACKEND"] = name.removeprefix("keras-") if name.startswith("keras-") else "jax"
    for side in map(int, _SIZES.value):
        try:
            row = measured(lambda side=side: build(side, form), side, f"{name}_{side}_{form}")
        except Exception as error:  # each library has its own error for too little memory
            row = {"side": side, "failed": f"{type(error).__name__}: {error}"}
        report(row)


def measured(build, side, title):
    """Times the steps of a contestant.

    Args:
        build: returns `(step, image, memory)`: step(n) takes n steps, waits for the device and returns the last's loss,
            image() is the picture now, [1, H, W, 3], and memory() the bytes in use at the most, or None.
        side: px.
        title: of the picture's file.
    """
    began = time.perf_counter()
    step, image, memory = build()
    loss = step(1)
    step(3)
    row = {"side": side, "loss": loss, "first_s": time.perf_counter() - began}
    seconds = []
    for _ in range(_ROUNDS.value):
        began = time.perf_counter()
        loss = step(_STEPS.value)
        seconds.append((time.perf_counter() - began) / _STEPS.value)
    row |= {"s_per_step": statistics.median(seconds), "bytes": memory()}
    row["spread"] = (max(seconds) - min(seconds)) / row["s_per_step"]
    if side == _LONG_SIDE.value:
        began = time.perf_counter()
        loss = step(_LONG_STEPS.value)
        row |= {"long_s": time.perf_counter() - began, "long_loss": loss}
        if _OUT.value:
            write_picture(pathlib.Path(_OUT.value) / f"{title}.png", image())
    if not np.isfinite(loss):
        raise ArithmeticError("the objective is not finite")
    return row


def arithmetic(side):
    """Floating-point operations of a step: each convolution forward, and back to its input."""
    total, channels = 0, 3
    for block, (filters, count) in enumerate(BLOCKS):
        for _ in range(count):
            total += 2 * (2 * 9 * channels * filters * (side >> block) ** 2)
            channels = filters
    return total


def about():
    return json.loads((pathlib.Path(_FOLDER.value) / "about.json").read_text())


def arrays(name):
    """Arrays of a file in the folder."""
    with np.load(pathlib.Path(_FOLDER.value) / f"{name}.npz") as file:
        return dict(file)


def pictures(side):
    """Content and style, float32 [1, H, W, 3] in [0, 1]."""
    return {name: pixels.astype(np.float32) / 255 for name, pixels in arrays(f"pictures_{side}").items()}


def weights():
    """Layer -> kernel or bias, float32, rounded to float16 for every contestant alike."""
    return {name: array.astype(np.float32) for name, array in arrays("weights").items()}


def largest_scale(is_finite):
    """The loss scale that nst_tf takes: a power of 16 below the largest under which the gradient is finite."""
    exponent = LARGEST_SCALE_EXPONENT
    while exponent > -LARGEST_SCALE_EXPONENT and not is_finite(16.0**exponent):
        exponent -= 1
    return 16.0 ** (exponent - 1)


def lowered_step(side, form):
    """nst_tf's step, compiled and run by jaxlib."""
    import jax
    from jax.extend import backend
    from jaxlib import _jax

    names = about()["steps"][f"{side} {form}"]
    device = jax.devices()[0]
    devices = _jax.DeviceList((device,))

    def loaded(name):
        module = (pathlib.Path(_FOLDER.value) / f"{name}_{side}_{form}.stablehlo").read_bytes()
        return backend.get_backend().compile_and_load(module, devices, _jax.CompileOptions())

    def run(executable, taken):
        results = executable.execute_sharded([values[name] for name in taken])
        return [arrays[0] for arrays in results.disassemble_into_single_device_arrays()]

    given = pictures(side)
    values = {name: jax.device_put(array, device) for name, array in (weights() | given).items()}
    of_pictures = loaded("targets")
    values |= zip(names["targets"], run(of_pictures, names["targets takes"]), strict=True)
    executable = loaded("step")
    terms = names["terms"]  # the first is the total, the last the gradient's norm

    def begin(scale):
        zeros = np.zeros_like(given["content"])
        start = {"image": given["content"], "best_image": given["content"], "first_moment": zeros}
        start |= {"second_moment": zeros, "updates": np.float32(0), "best_loss": np.float32(np.inf)}
        start |= {"loss_scale": np.float32(scale)}
        # Copies, since a step gives its state's memory to the next state.
        values.update({name: jax.device_put(np.array(array), device) for name, array in start.items()})

    def is_finite(scale):
        begin(scale)
        return bool(np.isfinite(np.asarray(run(executable, names["step takes"])[terms - 1])).all())

    begin(largest_scale(is_finite) if form == "float16" else 1.0)

    def step(count):
        for _ in range(count):
            results = run(executable, names["step takes"])
            values.update(zip(names["state"], results[terms:], strict=True))
        return float(np.asarray(results[0])[0])

    return step, lambda: np.asarray(values["image"]), lambda: plan_bytes(executable)


def plan_bytes(executable):
    """What XLA plans to hold during a step."""
    plan = executable.get_compiled_memory_stats()
    sizes = (plan.argument_size_in_bytes, plan.output_size_in_bytes, plan.temp_size_in_bytes)
    return sum(sizes) - plan.alias_size_in_bytes


def keras_step(side, form):
    """Steps of Adam on Keras' layers, in JAX or TensorFlow."""
    import keras

    ops, backend = keras.ops, keras.backend.backend()
    set_products(form)
    settings, given = about()["settings"], pictures(side)
    model = network(form, settings)

    def features(image):
        prepared = image[..., ::-1] * 255.0 - ops.convert_to_tensor(MEAN_BGR, "float32")
        return {layer: ops.cast(f, "float32") for layer, f in model(prepared).items()}

    def gram(features):
        flat = ops.reshape(features, [-1, features.shape[-1]])  # [M, N]
        return ops.matmul(ops.transpose(flat), flat) / flat.shape[0]

    def scaled_loss(image, targets, scale):
        taps = features(image)
        content = sum(ops.mean((taps[name] - targets[name]) ** 2) for name in settings["content_layers"])
        style = sum(ops.mean((gram(taps[name]) - targets[f"{name} G"]) ** 2) for name in settings["style_layers"])
        down, right = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
        return scale * weighted(settings, content, style, ops.mean(down**2) + ops.mean(right**2))

    def updated(state, gradient):
        image, first, second, count = state
        beta_1, count = settings["beta_1"], count + 1
        first = beta_1 * first + (1 - beta_1) * gradient
        second = BETA_2 * second + (1 - BETA_2) * gradient**2
        rate = settings["learning_rate"] * ops.sqrt(1 - BETA_2**count) / (1 - beta_1**count)
        return ops.clip(image - rate * first / (ops.sqrt(second) + settings["epsilon"]), 0, 1), first, second, count

    if backend == "jax":
        import jax

        def one(state, targets, scale):
            loss, gradient = jax.value_and_grad(scaled_loss)(state[0], targets, scale)
            return updated(state, gradient / scale), loss / scale, jax.numpy.isfinite(gradient).all()
    else:
        import tensorflow as tf

        def one(state, targets, scale):
            with tf.GradientTape() as tape:
                tape.watch(state[0])
                loss = scaled_loss(state[0], targets, scale)
            gradient = tape.gradient(loss, state[0])
            return updated(state, gradient / scale), loss / scale, tf.reduce_all(tf.math.is_finite(gradient))

    def of_pictures(content, style):
        of_content, of_style = features(content), features(style)
        targets = {name: of_content[name] for name in settings["content_layers"]}
        return targets | {f"{name} G": gram(of_style[name]) for name in settings["style_layers"]}

    content, style = (ops.convert_to_tensor(given[name]) for name in ("content", "style"))
    state = [(content, ops.zeros_like(content), ops.zeros_like(content), ops.convert_to_tensor(0.0))]
    scale = [ops.convert_to_tensor(1.0)]
    if backend == "jax":
        targets = jax.jit(of_pictures)(content, style)
        compiled = jax.jit(one).lower(state[0], targets, scale[0]).compile()
    else:
        targets = of_pictures(content, style)
        compiled = tf.function(one, jit_compile=bool(tf.config.list_physical_devices("GPU")))

    def is_finite(scale):
        return bool(ops.convert_to_numpy(compiled(state[0], targets, ops.convert_to_tensor(scale))[2]))

    if form == "float16":
        scale[0] = ops.convert_to_tensor(largest_scale(is_finite))

    def step(count):
        for _ in range(count):
            state[0], loss, _ = compiled(state[0], targets, scale[0])
        return float(ops.convert_to_numpy(loss))

    memory = (lambda: plan_bytes(compiled.runtime_executable())) if backend == "jax" else (lambda: None)
    return step, lambda: ops.convert_to_numpy(state[0][0]), memory


def weighted(settings, content, style, total_variation):
    """Eq. 7 from the sums over the layers of their mean squared differences, and the total variation."""
    return (
        settings["content_weight"] * content / len(settings["content_layers"])
        + settings["style_weight"] * style / len(settings["style_layers"])
        + settings["total_variation_weight"] * total_variation
    )


def network(form, settings):
    """Keras' layers: prepared image [B, H, W, 3] -> {layer: features [B, H', W', N]} in the format."""
    import keras

    policy = "float32" if form in ("float32", "tf32") else f"mixed_{form}"
    image = x = keras.Input([None, None, 3], dtype="float32")
    taps, convolutions = {}, {}
    for block, (filters, count) in enumerate(BLOCKS, 1):
        if block > 1:
            x = keras.layers.AveragePooling2D(2, dtype=policy)(x)
        for index in range(1, count + 1):
            layer = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", dtype=policy)
            convolutions[f"block{block}_conv{index}"] = layer
            taps[f"conv{block}_{index}"] = x = layer(x)
    model = keras.Model(image, {name: taps[name] for name in settings["style_layers"] + settings["content_layers"]})
    model.trainable = False
    values = weights()
    for name, layer in convolutions.items():
        layer.set_weights([values[f"{name}/kernel"], values[f"{name}/bias"]])
    return model


def torch_step(side, form, *, graph=False, is_compiled=False):
    """Steps of PyTorch's Adam on torch modules."""
    import torch

    set_products(form)
    torch.backends.cudnn.benchmark = True
    is_cuda = torch.cuda.is_available()
    where = "cuda" if is_cuda else "cpu"
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(form, torch.float32)
    settings, values = about()["settings"], weights()
    tapped = settings["style_layers"] + settings["content_layers"]
    layers, channels = [], 3
    for block, (filters, count) in enumerate(BLOCKS, 1):
        if block > 1:
            layers.append(("", torch.nn.AvgPool2d(2)))
        for index in range(1, count + 1):
            convolution = torch.nn.Conv2d(channels, filters, 3, padding=1)
            kernel, bias = (values[f"block{block}_conv{index}/{part}"] for part in ("kernel", "bias"))
            convolution.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
            convolution.bias.data = torch.from_numpy(bias.copy())
            convolution.to(where, dtype, memory_format=torch.channels_last).requires_grad_(False)
            layers.append((f"conv{block}_{index}", convolution))
            channels = filters
    mean = torch.tensor(MEAN_BGR, device=where).view(1, 3, 1, 1)

    def features(image):
        x = (image.flip(1) * 255 - mean).to(dtype, memory_format=torch.channels_last)
        taps = {}
        for name, layer in layers:
            x = layer(x)
            if name:
                x = torch.relu(x)
                if name in tapped:
                    taps[name] = x.float()
        return taps

    def gram(f):
        flat = f.permute(0, 2, 3, 1).flatten(0, 2)
        return flat.T @ flat / flat.shape[0]

    given = pictures(side)
    content, style = (
        torch.from_numpy(given[name].transpose(0, 3, 1, 2)).to(where, memory_format=torch.channels_last)
        for name in ("content", "style")
    )
    with torch.no_grad():
        wanted = {name: f for name, f in features(content).items() if name in settings["content_layers"]}
        wanted_grams = {name: gram(f) for name, f in features(style).items() if name in settings["style_layers"]}

    def objective(image):
        taps = features(image)
        content = sum(((taps[name] - f) ** 2).mean() for name, f in wanted.items())
        style = sum(((gram(taps[name]) - g) ** 2).mean() for name, g in wanted_grams.items())
        down, right = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
        return weighted(settings, content, style, (down**2).mean() + (right**2).mean())

    if is_compiled:
        objective = torch.compile(objective, dynamic=False)
    image = content.clone().requires_grad_(True)
    scale = 1.0
    options = {"fused": True, "capturable": True} if is_cuda else {}
    betas, epsilon = (settings["beta_1"], BETA_2), settings["epsilon"]
    optimizer = torch.optim.Adam([image], lr=settings["learning_rate"], betas=betas, eps=epsilon, **options)

    def gradient(scale):
        loss = objective(image)
        (scale * loss).backward()
        return loss.detach()

    def is_finite(scale):
        image.grad = None
        gradient(scale)
        return bool(torch.isfinite(image.grad).all())

    if form == "float16":
        scale = largest_scale(is_finite)
    image.grad = None

    def one():
        loss = gradient(scale)
        if scale != 1.0:
            image.grad.div_(scale)
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        return loss

    def eager():
        image.grad = None
        return one()

    take = eager
    if is_cuda:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # as PyTorch's notes on CUDA graphs have it
            for _ in range(3):
                eager()
        torch.cuda.synchronize()
        image.grad = None
        torch.cuda.empty_cache()  # of cuDNN's trials, which are over
        torch.cuda.reset_peak_memory_stats()
        if graph:
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                captured_loss = one()

            def take():
                captured.replay()
                return captured_loss

        with torch.no_grad():  # back to the start
            image.copy_(content)
            for value in optimizer.state[image].values():
                value.zero_()

    def step(count):
        for _ in range(count):
            loss = take()
        return float(loss)

    return (
        step,
        lambda: image.detach().permute(0, 2, 3, 1).cpu().numpy(),
        torch.cuda.max_memory_allocated if is_cuda else lambda: None,
    )


def matrix_rate(form):
    """Floating-point operations a second of large matrix products in a format, ten in a row."""
    os.environ["KERAS_BACKEND"] = "jax" if has_jax() else "tensorflow"
    from keras import ops

    set_products(form)
    side = _MATRIX_SIDE.value
    a = np.random.default_rng(0).standard_normal([side, side], np.float32) / side**0.5
    a = ops.cast(ops.convert_to_tensor(a), form if form in ("bfloat16", "float16") else "float32")
    seconds = []
    for _ in range(4):
        began, product = time.perf_counter(), a
        for _ in range(10):
            product = ops.matmul(product, a)
        float(ops.convert_to_numpy(ops.cast(product[0, 0], "float32")))
        seconds.append((time.perf_counter() - began) / 10)
    return 2 * side**3 / min(seconds)


def has_jax():
    import importlib.util

    return importlib.util.find_spec("jax") is not None


def set_products(form):
    """Lets float32 products be rounded to TF32, or not, in every library that is loaded."""
    is_exact = form == "float32"
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_default_matmul_precision", "highest" if is_exact else "tensorfloat32")
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not is_exact
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.experimental.enable_tensor_float_32_execution(not is_exact)


def write_text(path, text):
    """Writes beside the path and renames."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def write_picture(path, image):
    """A PNG of an image [1, H, W, 3] in [0, 1]."""
    import PIL.Image

    partial = path.with_name(f"{path.name}.partial")
    PIL.Image.fromarray(np.round(image[0] * 255).astype(np.uint8)).save(partial, "PNG")
    os.replace(partial, path)


if __name__ == "__main__":
    app.run(main)
