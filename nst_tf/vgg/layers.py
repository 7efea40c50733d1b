"""VGG-19's geometry: its layers by name, channels, strides and receptive field. Imports no TensorFlow."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from nst_tf import errors

CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)  # Simonyan & Zisserman 2015, table 1, column E
CHANNELS_PER_BLOCK = (64, 128, 256, 512, 512)  # the same
LAYERS = tuple(f"conv{b}_{i}" for b, n in enumerate(CONVOLUTIONS_PER_BLOCK, 1) for i in range(1, n + 1))
NETWORKS = ("normalised", "original")
VGG_MEAN_BGR = (103.939, 116.779, 123.68)  # 0-255 units; Simonyan & Zisserman, Keras "caffe" mode

Convolutions = Mapping[str, tuple[np.ndarray, np.ndarray]]  # Keras' layer name -> (kernel [3, 3, I, O], bias [O])

_LAYER_PATTERN = re.compile(r"(?:conv|relu)(\d)_(\d)|block(\d)_conv(\d)")


def layer_name(name: str) -> str:
    """Turns a layer's name into the paper's form.

    Args:
        name: the paper's name (`conv4_2`, or `relu4_2` for the same tap) or Keras' (`block4_conv2`).

    Returns:
        The paper's name, such as `conv4_2`. Taps are always taken after the ReLU.

    Raises:
        ConfigError: VGG-19 has no such convolution.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.layer_name("block4_conv2")
        'conv4_2'
    """
    match = _LAYER_PATTERN.fullmatch(name.strip())
    paper_name = "conv{}_{}".format(*(group for group in match.groups() if group)) if match else ""
    if paper_name not in LAYERS:
        raise errors.ConfigError(
            f"layers are named conv4_2 (as in the paper) or block4_conv2 (as in Keras). Received: {name!r}. "
            f"Choose among {', '.join(LAYERS)}."
        )
    return paper_name


def block(layer: str) -> int:
    """The block, 1 to 5, of a layer in the paper's form: features are 2**(block - 1) times smaller than the image.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.block("conv4_2")
        4
    """
    return int(layer[len("conv")])


def keras_name(layer: str) -> str:
    """Keras' name of a layer in the paper's form.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.keras_name("conv4_2")
        'block4_conv2'
    """
    block_, index = layer.removeprefix("conv").split("_")
    return f"block{block_}_conv{index}"


def channels(layer: str) -> int:
    """N, the filters of a layer.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.channels("conv4_2")
        512
    """
    return CHANNELS_PER_BLOCK[block(layer) - 1]


def stride_px(*layers: str) -> int:
    """How many pixels of the image, along a side, one position of a layer stands for; the largest of several layers.

    Pooling halves each side between the blocks: 2**(block - 1).

    Example:
        >>> from nst_tf import vgg
        >>> vgg.stride_px("conv1_1", "conv4_2")
        8
    """
    return max(2 ** (block(layer) - 1) for layer in layers)


def up_to(layers: Sequence[str]) -> tuple[str, ...]:
    """Every layer that is computed for some taps: from the first to the deepest of them.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.up_to(["conv2_1", "conv1_1"])
        ('conv1_1', 'conv1_2', 'conv2_1')
    """
    return LAYERS[: max(map(LAYERS.index, layers)) + 1]


def ends_a_block(layer: str) -> bool:
    """Whether pooling follows a layer.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.ends_a_block("conv1_2"), vgg.ends_a_block("conv4_2")
        (True, False)
    """
    return int(layer.rsplit("_", 1)[1]) == CONVOLUTIONS_PER_BLOCK[block(layer) - 1]


def halo_px(layers: Sequence[str]) -> int:
    """How far the features of a patch reach beyond it: the receptive field, rounded up to the stride.

    Each 3 x 3 convolution up to the deepest layer reaches one position of its own block further; pooling of 2 x 2
    reaches nowhere, since patches are aligned to it. 70 px for conv5_1, rounded up to 80.

    Example:
        >>> from nst_tf import vgg
        >>> vgg.halo_px(["conv1_1", "conv5_1"])
        80
    """
    reach_px = sum(stride_px(layer) for layer in up_to(layers))
    stride = stride_px(*layers)
    return math.ceil(reach_px / stride) * stride


def _input_channels(layer: str) -> int:
    index = LAYERS.index(layer)
    return channels(LAYERS[index - 1]) if index else 3


# Keras' layer name, input channels, filters
CONVOLUTIONS = tuple((keras_name(layer), _input_channels(layer), channels(layer)) for layer in LAYERS)
