"""The network that comes with the package: its kernels, which the eight shipped styles share.

It was trained from nothing on those paintings by `benchmarks/gpu` (Dumoulin et al. 2017). Imports no TensorFlow.
"""

import importlib.resources
import types
import zipfile

import numpy as np

from nst_tf import errors
from nst_tf.weights import multi_style, style_files

FILE = "paintings.npz"
# Of the kernels, as `multi_style.kernels_sha256` has it.
SHA256 = "43e39f455d5c51a831e99a8a51208c1be8e257a73d3bc600d7a09513baf18618"
_LICENCE = "trained by nst_tf, Apache-2.0"


def load() -> multi_style.MultiStyleWeights:
    """Reads the kernels; the known styles are the shipped ones in the order of their names, at their finer strokes.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    path = importlib.resources.files("nst_tf.weights").joinpath("styles").joinpath(FILE)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            kernels = {layer: arrays[layer].astype(np.float32) for layer in arrays.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(str(path), errors.one_line(error)) from error
    sha256 = multi_style.kernels_sha256(kernels)
    if sha256 != SHA256:
        raise _damaged(str(path), "other kernels")
    styles = [style_files.shipped(name).at(None) for name in style_files.shipped_names()]
    gamma, beta = (np.stack(rows) for rows in zip(*styles, strict=True))
    source = "the network of the shipped styles"
    return multi_style.MultiStyleWeights(types.MappingProxyType(kernels), gamma, beta, source, sha256, _LICENCE)


def _damaged(path: str, received: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path}: the network of the shipped styles must be as it came with the package. Received: {received}. "
        "Install nst_tf again."
    )
