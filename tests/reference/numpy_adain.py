"""AdaIN's network written with NumPy alone, in float64, one picture [H, W, 3] at a time."""

import numpy as np


def encode(picture, convolutions):
    """Features after the ReLU of the last layer; reflection padding, and pooling that keeps a last odd row."""
    x = picture.astype(np.float64)[..., ::-1] * 255 - [103.939, 116.779, 123.68]
    previous = next(iter(convolutions))
    for layer, (kernel, bias) in convolutions.items():
        if layer[:6] != previous[:6]:
            x = pool(x)
        x = np.maximum(convolve(x, kernel, bias), 0)
        previous = layer
    return x


def decode(features, convolutions):
    x = features
    previous, *_, last = convolutions
    for layer, (kernel, bias) in convolutions.items():
        if layer[:6] != previous[:6]:
            x = x.repeat(2, axis=0).repeat(2, axis=1)
        x = convolve(x, kernel, bias)
        if layer != last:
            x = np.maximum(x, 0)
        previous = layer
    return x


def moments(features):
    values = features.reshape(-1, features.shape[-1])
    return values.mean(axis=0), np.sqrt(values.var(axis=0, ddof=1) + 1e-5)


def stylise(content, style, encoder, decoder, alpha=1.0):
    f, s = encode(content, encoder), encode(style, encoder)
    mean, deviation = moments(f)
    style_mean, style_deviation = moments(s)
    t = (f - mean) / deviation * style_deviation + style_mean
    height, width = content.shape[:2]
    return decode(alpha * t + (1 - alpha) * f, decoder)[:height, :width].clip(0, 1)


def convolve(x, kernel, bias):
    height, width = x.shape[:2]
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)], "reflect")
    return bias + sum(
        padded[i : i + height, j : j + width] @ kernel[i, j].astype(np.float64) for i in range(3) for j in range(3)
    )


def pool(x):
    height, width = x.shape[:2]
    padded = np.pad(x, [(0, height % 2), (0, width % 2), (0, 0)], constant_values=-np.inf)
    return padded.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, -1).max(axis=(1, 3))
