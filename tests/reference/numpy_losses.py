"""The equations of the paper in NumPy, float64, written from the report with explicit N x M matrices.

Independent of nst_tf on purpose: nothing here is imported from it.
"""

import numpy as np


def matrix(features):
    """[1, H, W, N] -> the paper's N x M feature matrix."""
    _, height, width, filters = features.shape
    return features.reshape(height * width, filters).T


def content_loss(f, p):
    return 0.5 * np.sum((f - p) ** 2)


def content_gradient(f, p):
    return np.where(f > 0, f - p, 0)


def gram(f):
    return f @ f.T


def layer_loss(f, a, a_positions):
    """E_l with the style's own M, which is eq. 4 where both M are equal."""
    filters, positions = f.shape
    return np.sum((gram(f) / positions - a / a_positions) ** 2) / (4 * filters**2)


def layer_gradient(f, a, a_positions):
    filters, positions = f.shape
    difference = gram(f) / positions - a / a_positions
    return np.where(f > 0, (f.T @ difference).T / (filters**2 * positions), 0)


def convolve(x, kernel, bias):
    """3 x 3 cross-correlation with zero padding of [H, W, I] by [3, 3, I, O]."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((height, width, kernel.shape[3]))
    for dy in range(3):
        for dx in range(3):
            out += np.einsum("hwi,io->hwo", padded[dy : dy + height, dx : dx + width], kernel[dy, dx])
    return out + bias


def pool(x, kind):
    """2 x 2 pooling with stride 2 that drops a last odd row or column."""
    height, width, channels = x.shape
    blocks = x[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, channels)
    return blocks.max(axis=(1, 3)) if kind == "max" else blocks.mean(axis=(1, 3))
