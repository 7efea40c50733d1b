"""In which form each convolution is computed, and the memory that it takes. Imports no TensorFlow.

How the forms compute is in `convolution`, which of them is fastest in `fastest_convolution`.
"""

from collections.abc import Sequence

from nst_tf.vgg import layers as vgg_layers

MEASURED_FILE = "convolution.json"  # in the folder of the weights: what `fastest_convolution` measured on this machine
LAYER_FORMS = ("direct", "rotated", "winograd")  # as `convolution` explains them
# A network's form -> that of its layers before FIRST_WINOGRAD_BLOCK, and from there on of large ones and of small ones
_OF_LAYERS = {
    "direct": ("direct", "direct", "direct"),
    "rotated": ("rotated", "rotated", "rotated"),
    "winograd": ("direct", "winograd", "winograd"),
    "winograd-rotated": ("rotated", "winograd", "winograd"),
    "winograd-all": ("winograd", "winograd", "winograd"),
    "winograd-rotated-large": ("rotated", "winograd", "rotated"),
    "winograd-large": ("winograd", "winograd", "rotated"),
}
FORMS = tuple(_OF_LAYERS)
# Products of tiles, input and output channels. Below, some CPUs take longer to read Winograd's filters, four times as
# large, and to start its operations than they save: benchmarks/RESULTS.md, "By size".
LARGE_PRODUCTS = 8_000_000
FIRST_WINOGRAD_BLOCK = 2  # with 64 channels the transforms cost about as much as they save
OUTPUTS = 4  # m of Winograd's F(m x m, r x r): results of a tile along a side
TAPS = 3  # r: the filter's side
TILE = OUTPUTS + TAPS - 1  # positions of a tile along a side
STRIP_TILES = 288  # computed at a time: fewer read the filters too often, more do not stay in the cache
MOST_STRIPS_AT_A_TIME = 8  # 42 MB each in the widest layer
_FLOAT32_BYTES = 4
_COPIES = {"direct": 0, "rotated": 2 * TAPS**2, "winograd": TILE**2}  # values kept for each pair of channels


def form_of(layer: str, convolution: str, *, is_small: bool = False) -> str:
    """The form of one layer, by its paper's name, where the network's is `convolution`, one of `FORMS`.

    The first layer is always direct: its gradient has only three channels, for which a forward convolution is slower.

    Args:
        layer: such as conv4_2.
        convolution: the network's form.
        is_small: whether it has fewer tiles than `large_tiles`.
    """
    if layer == vgg_layers.LAYERS[0]:
        return "direct"
    first, large, small = _OF_LAYERS[convolution]
    if vgg_layers.block(layer) < FIRST_WINOGRAD_BLOCK:
        return first
    return small if is_small else large


def large_tiles(inputs: int, outputs: int) -> int:
    """The tiles of 4 x 4 positions, of all pictures, from which a layer of so many channels is large: int or tensor."""
    return -(-LARGE_PRODUCTS // (inputs * outputs))


def filter_bytes(layer_names: Sequence[str], convolution: str) -> int:
    """Bytes of the filters that the forms of some layers keep besides Keras' own, in float32."""
    pairs = {name: inputs * outputs for name, inputs, outputs in vgg_layers.CONVOLUTIONS}
    return sum(
        _FLOAT32_BYTES * _COPIES[form] * pairs[vgg_layers.keras_name(layer)]
        for layer in layer_names
        for form in {form_of(layer, convolution), form_of(layer, convolution, is_small=True)}
    )


def strip_bytes(layer_names: Sequence[str], convolution: str) -> int:
    """Bytes of a strip of tiles, before and after a product, in the widest layer."""
    widths = [vgg_layers.channels(layer) for layer in _in_tiles(layer_names, convolution)]
    return 2 * TILE**2 * STRIP_TILES * _FLOAT32_BYTES * max(widths, default=0)


def temporary_bytes(layer_names: Sequence[str], convolution: str) -> float:
    """Bytes for each pixel of the picture that the largest layer holds while it is put together from its strips."""
    in_tiles = _in_tiles(layer_names, convolution)
    values = [vgg_layers.channels(layer) / vgg_layers.stride_px(layer) ** 2 for layer in in_tiles]
    return 2 * _FLOAT32_BYTES * max(values, default=0.0)


def _in_tiles(layer_names: Sequence[str], convolution: str) -> list[str]:
    return [layer for layer in layer_names if form_of(layer, convolution) == "winograd"]
