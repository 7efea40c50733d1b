"""LPIPS written with NumPy alone, in float64, on two pictures [H, W, 3]."""

import numpy as np

# kernel size, stride, padding, side of the max pooling before it (0: none), whether it is compared
ALEXNET = [(11, 4, 2, 0, True), (5, 1, 2, 3, True), (3, 1, 1, 3, True), (3, 1, 1, 0, True), (3, 1, 1, 0, True)]
VGG16 = [
    (3, 1, 1, 2 if index == 0 and block else 0, index == count - 1)
    for block, count in enumerate((2, 2, 3, 3, 3))
    for index in range(count)
]


def distance(picture, other, layers, network):
    total = 0.0
    pairs = zip(taps(picture, layers, network), taps(other, layers, network), strict=True)
    for head, (x, y) in enumerate(pairs):
        difference = (unit(x) - unit(y)) ** 2
        total += (difference @ layers[f"head{head}"][0][0, 0, :, 0].astype(np.float64)).mean()
    return total


def taps(picture, layers, network):
    x = (picture.astype(np.float64) * 2 - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    for index, (size, stride, padding, pool, is_compared) in enumerate(network):
        if pool:
            x = windows(x, pool, 2).max(axis=(2, 3))
        kernel, bias = layers[f"conv{index}"]
        assert kernel.shape[0] == size
        padded = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
        x = np.maximum(np.einsum("hwijc,ijco->hwo", windows(padded, size, stride), kernel, optimize=True) + bias, 0)
        if is_compared:
            yield x


def unit(features):
    return features / (np.sqrt((features**2).sum(axis=-1, keepdims=True)) + 1e-10)


def windows(x, size, stride):
    """[H', W', size, size, C]."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(0, 1))
    return view[::stride, ::stride].transpose(0, 1, 3, 4, 2)
