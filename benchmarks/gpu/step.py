"""Seconds of one step on a GPU, in four number formats, against PyTorch, with the share of the GPU's matrix peak.

    python benchmarks/gpu/step.py --backend=jax --sizes=256,512,1024,2048

It stands alone: copy this file to a machine with a GPU, Keras, and one of jax, torch and tensorflow. The network is
VGG-19's layers to conv5_1 in Keras, average pooling, with random weights, on which the speed does not depend; the
objective is eq. 7 as nst_tf's preset `default` has it without total variation; the optimiser is Adam. jax compiles the
step with XLA, tensorflow where there is a GPU, torch not at all. The row of plain PyTorch has the same layers as torch
modules, channels last. Formats: float32, TF32 (float32 whose products are rounded to 10 bits), bfloat16 and float16
with the features of the network in that format and everything else in float32.
"""

import gc
import os
import statistics
import sys
import time

import numpy as np
from absl import app, flags

_BACKEND = flags.DEFINE_enum("backend", "jax", ["jax", "torch", "tensorflow"], "of Keras")
_SIZES = flags.DEFINE_list("sizes", ["256", "512", "1024", "2048"], "sides of the square pictures, px")
_FORMATS = flags.DEFINE_list("formats", ["float32", "tf32", "bfloat16", "float16"], "number formats")
_STEPS = flags.DEFINE_integer("steps", 10, "steps in a round")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds, of which the median is taken")
_MATRIX_SIDE = flags.DEFINE_integer("matrix_side", 8192, "of the product whose rate is the peak")
_PLAIN_TORCH = flags.DEFINE_boolean("plain_torch", True, "also the row of plain PyTorch, where torch is installed")

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))  # VGG-19 to conv5_1: filters, convolutions
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT = "conv4_2"
STYLE_WEIGHT, CONTENT_WEIGHT = 250.0, 1.0
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.02, 0.9, 0.999, 1e-7
LOSS_SCALE = 2.0**8  # of float16
MEAN_BGR = (103.939, 116.779, 123.68)


def main(_):
    os.environ["KERAS_BACKEND"] = _BACKEND.value
    import keras

    print(f"Keras {keras.__version__} on {_BACKEND.value}, {device()}\n")
    print("| size, px | format | row | s/step | TFLOP/s | share of peak |\n|---|---|---|---|---|---|")
    for side in map(int, _SIZES.value):
        for form in _FORMATS.value:
            rows = {f"Keras on {_BACKEND.value}": keras_step}
            if _PLAIN_TORCH.value and has_torch():
                rows["plain PyTorch"] = torch_step
            for name, build in rows.items():
                try:
                    peak = matrix_rate(form)
                    seconds = timed(build(side, form))
                except Exception as error:  # each library has its own error for too little memory
                    print(f"| {side} | {form} | {name} | failed: {' '.join(str(error).split())[:80]} | | |", flush=True)
                    continue
                rate = arithmetic(side) / seconds
                print(
                    f"| {side} | {form} | {name} | {seconds:.5f} | {rate / 1e12:.1f} | {rate / peak:.0%} |", flush=True
                )
                gc.collect()


def timed(step):
    """Median seconds of a step; `step(n)` takes n of them and waits for the device."""
    step(3)  # compiles
    seconds = []
    for _ in range(_ROUNDS.value):
        began = time.perf_counter()
        loss = step(_STEPS.value)
        seconds.append((time.perf_counter() - began) / _STEPS.value)
        if not np.isfinite(loss):
            raise ArithmeticError("the objective is not finite")
    return statistics.median(seconds)


def pictures(side):
    """A smooth content and style, [1, H, W, 3] in [0, 1]."""
    generator = np.random.default_rng(0)
    coarse = generator.random([2, side // 16, side // 16, 3], np.float32)
    return np.split(np.repeat(np.repeat(coarse, 16, axis=1), 16, axis=2), 2)


def arithmetic(side):
    """Floating-point operations of a step: each convolution forward, and back to its input."""
    total, channels = 0, 3
    for block, (filters, count) in enumerate(BLOCKS):
        for _ in range(count):
            total += 2 * (2 * 9 * channels * filters * (side >> block) ** 2)
            channels = filters
    return total


def network(form):
    """Keras' layers: image [B, H, W, 3] -> {layer: features [B, H', W', N]} in the format."""
    import keras

    policy = "float32" if form in ("float32", "tf32") else f"mixed_{form}"
    keras.utils.set_random_seed(0)
    image = x = keras.Input([None, None, 3], dtype="float32")
    taps = {}
    for block, (filters, count) in enumerate(BLOCKS, 1):
        if block > 1:
            x = keras.layers.AveragePooling2D(2, dtype=policy)(x)
        for index in range(1, count + 1):
            x = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", dtype=policy
            )(x)
            taps[f"conv{block}_{index}"] = x
    model = keras.Model(image, {name: taps[name] for name in (*STYLE, CONTENT)})
    model.trainable = False
    return model


def objective(features, targets, ops):
    """Eq. 7, mean-reduced, a scalar, from float32 features [1, H', W', N] of the image; `ops` is keras.ops."""
    loss = CONTENT_WEIGHT * ops.mean((features[CONTENT] - targets[CONTENT]) ** 2)
    for layer in STYLE:
        loss = loss + STYLE_WEIGHT / len(STYLE) * ops.mean((gram(features[layer], ops) - targets[f"{layer} G"]) ** 2)
    return loss


def gram(features, ops):
    """F F^T / M of features [1, H, W, N], [N, N]."""
    flat = ops.reshape(features, [-1, features.shape[-1]])  # [M, N]
    return ops.matmul(ops.transpose(flat), flat) / flat.shape[0]


def keras_step(side, form):
    """Steps of Adam on Keras' layers in the backend; returns `step`."""
    import keras

    ops, backend = keras.ops, keras.backend.backend()
    set_products(form)
    model = network(form)
    content, style = pictures(side)
    scale = LOSS_SCALE if form == "float16" else 1.0

    def features(image):
        prepared = image[..., ::-1] * 255.0 - ops.convert_to_tensor(MEAN_BGR, "float32")
        return {layer: ops.cast(f, "float32") for layer, f in model(prepared / 58.0).items()}  # near unit variance

    of_content, of_style = features(ops.convert_to_tensor(content)), features(ops.convert_to_tensor(style))
    targets = {CONTENT: of_content[CONTENT]} | {f"{layer} G": gram(of_style[layer], ops) for layer in STYLE}

    def scaled_loss(image, targets):
        return scale * objective(features(image), targets, ops)

    def updated(state, gradient):
        image, first, second, count = state
        gradient, count = gradient / scale, count + 1
        first = BETA_1 * first + (1 - BETA_1) * gradient
        second = BETA_2 * second + (1 - BETA_2) * gradient**2
        rate = LEARNING_RATE * ops.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
        return ops.clip(image - rate * first / (ops.sqrt(second) + EPSILON), 0, 1), first, second, count

    if backend == "jax":
        import jax

        @jax.jit
        def one(state, targets):
            loss, gradient = jax.value_and_grad(scaled_loss)(state[0], targets)
            return updated(state, gradient), loss
    elif backend == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=bool(tf.config.list_physical_devices("GPU")))
        def one(state, targets):
            with tf.GradientTape() as tape:
                tape.watch(state[0])
                loss = scaled_loss(state[0], targets)
            return updated(state, tape.gradient(loss, state[0])), loss
    else:
        import torch

        targets = {name: value.detach() for name, value in targets.items()}

        def one(state, targets):
            image = state[0].detach().requires_grad_(True)
            loss = scaled_loss(image, targets)
            (gradient,) = torch.autograd.grad(loss, image)
            with torch.no_grad():
                return updated((image.detach(), *state[1:]), gradient), loss.detach()

    start = ops.convert_to_tensor(content)
    state = [(start, ops.zeros_like(start), ops.zeros_like(start), ops.convert_to_tensor(0.0))]

    def step(count):
        for _ in range(count):
            state[0], loss = one(state[0], targets)
        return float(ops.convert_to_numpy(loss))

    return step


def torch_step(side, form):
    """Steps of PyTorch's Adam on torch modules; returns `step`."""
    import torch

    set_products(form)
    where = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(form, torch.float32)
    torch.manual_seed(0)
    layers, channels = [], 3
    for block, (filters, count) in enumerate(BLOCKS, 1):
        if block > 1:
            layers.append(("", torch.nn.AvgPool2d(2)))
        for index in range(1, count + 1):
            convolution = torch.nn.Conv2d(channels, filters, 3, padding=1)
            torch.nn.init.kaiming_normal_(convolution.weight)
            torch.nn.init.zeros_(convolution.bias)
            convolution.to(where, dtype, memory_format=torch.channels_last).requires_grad_(False)
            layers.append((f"conv{block}_{index}", convolution))
            channels = filters
    mean = torch.tensor(MEAN_BGR, device=where).view(1, 3, 1, 1)
    scale = LOSS_SCALE if form == "float16" else 1.0

    def features(image):
        x = ((image.flip(1) * 255 - mean) / 58).to(dtype, memory_format=torch.channels_last)
        taps = {}
        for name, layer in layers:
            x = layer(x)
            if name:
                x = torch.relu(x)
                if name in (*STYLE, CONTENT):
                    taps[name] = x.float()
        return taps

    def gram_of(f):
        flat = f.permute(0, 2, 3, 1).flatten(0, 2)
        return flat.T @ flat / flat.shape[0]

    content, style = (torch.from_numpy(p.transpose(0, 3, 1, 2).copy()).to(where) for p in pictures(side))
    with torch.no_grad():
        wanted = features(content)[CONTENT]
        wanted_grams = {layer: gram_of(f) for layer, f in features(style).items() if layer in STYLE}
    image = content.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([image], lr=LEARNING_RATE)

    def step(count):
        for _ in range(count):
            optimizer.zero_grad()
            taps = features(image)
            loss = CONTENT_WEIGHT * ((taps[CONTENT] - wanted) ** 2).mean()
            for layer in STYLE:
                difference = gram_of(taps[layer]) - wanted_grams[layer]
                loss = loss + STYLE_WEIGHT / len(STYLE) * (difference**2).mean()
            (scale * loss).backward()
            image.grad.div_(scale)
            optimizer.step()
            with torch.no_grad():
                image.clamp_(0, 1)
        return float(loss.detach())

    return step


def matrix_rate(form):
    """Floating-point operations a second of large matrix products in a format, in the backend: ten in a row."""
    from keras import ops

    set_products(form)
    side = _MATRIX_SIDE.value
    a = ops.cast(ops.full([side, side], 1 / side), form if form in ("bfloat16", "float16") else "float32")
    seconds = []
    for _ in range(4):
        began, product = time.perf_counter(), a
        for _ in range(10):
            product = ops.matmul(product, a)
        float(ops.convert_to_numpy(ops.cast(product[0, 0], "float32")))
        seconds.append((time.perf_counter() - began) / 10)
    return 2 * side**3 / min(seconds)


def set_products(form):
    """Lets float32 products be rounded to TF32, or not, in every library that is loaded."""
    is_tf32 = form == "tf32"
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_default_matmul_precision", "tensorfloat32" if is_tf32 else "highest")
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = is_tf32
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.experimental.enable_tensor_float_32_execution(is_tf32)


def has_torch():
    import importlib.util

    return importlib.util.find_spec("torch") is not None


def device():
    """The device, in the backend's words."""
    if _BACKEND.value == "jax":
        import jax

        return f"jax {jax.__version__}, {jax.devices()[0].device_kind}"
    if _BACKEND.value == "torch":
        import torch

        return f"torch {torch.__version__}, {torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'}"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name") if gpus else "CPU"
    return f"tensorflow {tf.__version__}, {name}"


if __name__ == "__main__":
    app.run(main)
