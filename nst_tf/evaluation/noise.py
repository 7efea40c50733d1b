"""How much of a picture is pixel-sized noise."""

import numpy as np

CUTOFF = 0.7  # of the Nyquist frequency; brush strokes and edges have little beyond it
LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709, applied to the sRGB values


def high_frequency_share(pixels: np.ndarray) -> float:
    """The share of the luminance's spectral energy that lies beyond 0.7 of the Nyquist frequency.

    The mean is removed and a Hann window applied, so that neither the brightness nor the jump between opposite edges
    counts. The frequency is the distance from the origin in units of Nyquist along an axis; the corners, which lie
    beyond 1, count as high.

    Args:
        pixels: float [1, H, W, 3] in [0, 1].

    Returns:
        0 for a smooth picture, about `area_share()` for white noise; 0 if nothing varies.

    Example:
        >>> import numpy as np
        >>> from nst_tf import evaluation
        >>> evaluation.high_frequency_share(np.full([1, 32, 32, 3], 0.5))
        0.0
        >>> noise = np.random.default_rng(0).uniform(size=[1, 32, 32, 3])
        >>> evaluation.high_frequency_share(noise) > 0.5
        True
    """
    luminance = pixels[0].astype(np.float64) @ np.array(LUMA)  # [H, W]
    height, width = luminance.shape
    window = np.outer(_hann(height), _hann(width))
    centred = luminance - np.sum(luminance * window) / np.sum(window)
    energy = np.abs(np.fft.fft2(centred * window)) ** 2
    total = float(energy.sum())
    if total <= np.finfo(np.float32).eps ** 2 * luminance.size:
        return 0.0
    return float(energy[_radius(height, width) > CUTOFF].sum()) / total


def area_share(height: int = 512, width: int = 512) -> float:
    """The share of the frequencies that lie beyond the cutoff: what white noise scores."""
    return float(np.mean(_radius(height, width) > CUTOFF))


def _radius(height: int, width: int) -> np.ndarray:
    """The frequency of each bin of `np.fft.fft2`, in units of Nyquist, [H, W]."""
    return np.hypot(*np.meshgrid(np.fft.fftfreq(height) * 2, np.fft.fftfreq(width) * 2, indexing="ij"))


def _hann(length: int) -> np.ndarray:
    """The Hann window without the zeros at its ends, so that even a single pixel has a weight."""
    return np.hanning(length + 2)[1:-1]
