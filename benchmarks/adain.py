"""AdaIN's pass against the same network in PyTorch, on this machine's CPU.

    python -m benchmarks.adain --size=512

Both stylise one picture with the style's moments at hand. Rounds alternate between the rows; the table shows medians,
and the last line the best row of each side. Needs the extra `bench`.
"""

import statistics
import time

import numpy as np
import tensorflow as tf
import torch
from absl import app, flags

from nst_tf import vgg
from nst_tf.networks import adain
from nst_tf.pictures import images
from nst_tf.weights import adain_decoder, vgg19

_SIZE = flags.DEFINE_integer("size", 512, "side of the square content picture, px")
_ROUNDS = flags.DEFINE_integer("rounds", 9, "passes of each row")
_THREADS = flags.DEFINE_integer("threads", 0, "threads of both; 0 for each library's default")
_POLICIES = flags.DEFINE_list("policies", ["float32", "mixed_bfloat16"], "rows of TensorFlow")

TORCH_ROWS = {
    f"PyTorch {str(dtype).removeprefix('torch.')}{', channels last' if channels_last else ''}": (dtype, channels_last)
    for dtype in (torch.float32, torch.bfloat16)
    for channels_last in (False, True)
}


def main(_):
    if _THREADS.value:
        torch.set_num_threads(_THREADS.value)
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    convolutions = vgg19.load().convolutions
    encoder = {layer: convolutions[layer] for layer in adain_decoder.ENCODER_LAYERS}
    decoder = adain_decoder.load().convolutions
    content = images.resize(images.load("sample:launch-pad").pixels, _SIZE.value, _SIZE.value)
    style = images.load("sample:van-gogh", max_side_px=512).pixels
    exact = adain.AdainNetwork(adain.build_encoder(encoder), adain.build_decoder(decoder))
    moments = exact.style_moments(style)

    rows = {
        f"TensorFlow {policy.removeprefix('mixed_')}": tensorflow_pass(policy, encoder, decoder, content, moments)
        for policy in _POLICIES.value
    }
    rows |= {name: torch_pass(*kind, encoder, decoder, content, moments) for name, kind in TORCH_ROWS.items()}
    expected = exact.apply(content, moments).numpy()
    differences = {name: float(np.abs(stylise() - expected).max()) for name, stylise in rows.items()}
    seconds = {name: [] for name in rows}
    for _ in range(_ROUNDS.value):
        for name, stylise in rows.items():
            began = time.perf_counter()
            stylise()
            seconds[name].append(time.perf_counter() - began)

    medians = {name: statistics.median(values) for name, values in seconds.items()}
    threads = torch.get_num_threads()
    print(f"\n{_SIZE.value} px, {threads} threads, TensorFlow {tf.__version__}, PyTorch {torch.__version__}\n")
    print("| row | median s | fastest s | largest difference from float32 |\n|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | {min(seconds[name]):.3f} | {differences[name]:.1e} |")
    for kind in ("float32", "bfloat16", ""):
        best = {
            side: min(value for name, value in medians.items() if name.startswith(side) and kind in name)
            for side in ("TensorFlow", "PyTorch")
        }
        print(f"PyTorch / TensorFlow, {kind or 'best of each'}: {best['PyTorch'] / best['TensorFlow']:.2f}")


def tensorflow_pass(policy, encoder, decoder, content, moments):
    network = adain.AdainNetwork(
        adain.build_encoder(encoder, policy=policy), adain.build_decoder(decoder, policy=policy)
    )
    stylise = tf.function(network.apply, reduce_retracing=True)
    image = tf.constant(content)
    return lambda: stylise(image, moments).numpy()


def torch_pass(dtype, channels_last, encoder, decoder, content, moments):
    """The published network: the preprocessing as a 1x1 convolution, padding, convolution and ReLU as modules."""
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    preprocess = torch.nn.Conv2d(3, 3, 1)
    preprocess.weight.data = torch.tensor(np.fliplr(np.eye(3, dtype=np.float32)).reshape(3, 3, 1, 1) * 255)
    preprocess.bias.data = -torch.tensor(vgg.VGG_MEAN_BGR)
    halves = [
        [preprocess, *torch_layers(encoder, lambda: torch.nn.MaxPool2d(2, ceil_mode=True))],
        torch_layers(decoder, lambda: torch.nn.Upsample(scale_factor=2, mode="nearest"))[:-1],  # no ReLU at the end
    ]
    encode, decode = (torch.nn.Sequential(*half).to(dtype, memory_format=memory_format) for half in halves)
    image = torch.tensor(content.transpose(0, 3, 1, 2).copy()).to(dtype, memory_format=memory_format)
    style_mean, style_deviation = (torch.tensor(part.numpy())[:, :, None, None] for part in moments)

    @torch.inference_mode()
    def stylise():
        features = encode(image).float()
        variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
        deviation = torch.sqrt(variance + adain.EPSILON)
        features = (features - mean) / deviation * style_deviation + style_mean
        return (
            decode(features.to(dtype))
            .float()
            .clamp(0, 1)
            .permute(0, 2, 3, 1)
            .numpy()[:, : content.shape[1], : content.shape[2]]
        )

    return stylise


def torch_layers(convolutions, between_blocks):
    layers, previous = [], next(iter(convolutions))
    for layer, (kernel, bias) in convolutions.items():
        if layer[: len("block1")] != previous[: len("block1")]:
            layers.append(between_blocks())
        convolution = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3)
        convolution.weight.data = torch.tensor(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        convolution.bias.data = torch.tensor(bias)
        layers += [torch.nn.ReflectionPad2d(1), convolution, torch.nn.ReLU()]
        previous = layer
    return layers


if __name__ == "__main__":
    app.run(main)
