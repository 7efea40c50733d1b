"""One network for one style: all its weights belong to one painting.

Source: Johnson, Alahi & Fei-Fei 2016, with instance normalisation (Ulyanov, Vedaldi & Lempitsky 2016), reflection
padding and nearest upsampling. It is built of the layers of `multi_style`, with one row of scales and shifts.
Deviations: the last layer is normalised too and ends in a sigmoid, as in Dumoulin et al. 2017, so that the painting's
colours are 6 numbers from the first step on; no scaled tanh, no biases.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from nst_tf import configs, engine_lock, messages
from nst_tf.networks import multi_style, multi_style_transfer
from nst_tf.pictures import inputs
from nst_tf.weights import known_styles, style_files

_SIDES_PX = {"contract": (9, 3, 3), "expand": (3, 3, 9)}  # of the kernels; Johnson et al. 2016, supplementary material
_COLOURS = 3
_OUTPUT_SCALE = 0.25  # of the last layer's gamma at the start: a picture around mid-grey instead of a saturated one


class Values(NamedTuple):
    """What a network for one style is made of."""

    kernels: dict[str, np.ndarray]  # layer -> float32 [H, W, I, O], in order
    style: multi_style.Style  # [N]


def new_values(width: int, blocks: int, seed: int) -> Values:
    """The weights that a training starts from.

    Args:
        width: channels of the first layer; twice and four times as many follow.
        blocks: residual blocks. Each starts as the identity: the scale of its second normalisation is 0.
        seed: of the kernels, normal with variance 2 / inputs (He et al. 2015).
    """
    generator = np.random.default_rng(seed)
    channels = (_COLOURS, width, 2 * width, 4 * width)
    shapes = {
        f"contract.{i}": (side, side, channels[i], channels[i + 1]) for i, side in enumerate(_SIDES_PX["contract"])
    }
    for block in range(blocks):
        shapes |= {f"residual.{block}.{i}": (3, 3, channels[-1], channels[-1]) for i in range(2)}
    shapes |= {
        f"expand.{i}": (side, side, channels[3 - i], channels[2 - i]) for i, side in enumerate(_SIDES_PX["expand"])
    }
    kernels = {
        layer: generator.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape).astype(np.float32)
        for layer, shape in shapes.items()
    }
    scales = {layer: 0.0 if layer.startswith("residual") and layer.endswith(".1") else 1.0 for layer in kernels}
    scales[list(kernels)[-1]] = _OUTPUT_SCALE
    gamma = np.concatenate([np.full(kernels[layer].shape[3], scale, np.float32) for layer, scale in scales.items()])
    return Values(kernels, multi_style.Style(gamma, np.zeros_like(gamma)))


def load(style: style_files.StyleFile) -> multi_style.Loaded:
    """The network that a style of `known_styles.read_with_network` brings along; its one known style is that style."""
    assert style.kernels is not None
    record = {"source": f"the style {style.name}", "sha256": style.network_sha256, "licence": "its trainer's"}
    own = multi_style.Style(style.gamma, style.beta)
    return multi_style.Loaded(multi_style.MultiStyleNetwork(style.kernels), own, record)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class OneStyleResult(multi_style_transfer.MultiStyleResult):
    """A picture stylised by the network of one style, and how it was made; `inputs` as for many styles."""

    method: ClassVar[str] = "one-style"


class OneStyleTransfer:
    """A configuration made ready for networks of one style; the last one's network and traced pass are reused.

    Calls from several threads wait for each other.

    Args:
        config: the settings; the defaults when left out.
    """

    def __init__(self, config: configs.OneStyleConfig | None = None) -> None:
        self.config = configs.as_config(config, configs.OneStyleConfig)
        self._lock = engine_lock.EngineLock()
        self._sha256 = ""
        self._engine: multi_style_transfer.MultiStyleTransfer | None = None

    def __call__(
        self,
        content: inputs.Source,
        style: known_styles.Source,
        *,
        style_masks: Sequence[inputs.Source] = (),
        keep_mask: inputs.Source | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> OneStyleResult:
        """Stylises one picture.

        Args:
            content: as `nst_tf.MultiStyleTransfer` takes it.
            style: the path of a file that `nst-tf train --architecture=one-style` wrote, or a `style_files.StyleFile`.
            style_masks: none, or one picture: white where the style goes, black where the content stays.
            keep_mask: a picture that is white where the content stays as it is; soft edges blend.
            on_message: called with lines worth telling the user.

        Raises:
            NstError: a picture or style that cannot be used; the message says how to fix it.
        """
        with self._lock:
            read = known_styles.read_with_network(style)
            if self._engine is None or self._sha256 != read.network_sha256:
                self._engine, self._sha256 = self._of(read), read.network_sha256
            result = self._engine(content, read, style_masks=style_masks, keep_mask=keep_mask, on_message=on_message)
            fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
            return OneStyleResult(**fields | {"config": self.config})

    def _of(self, style: style_files.StyleFile) -> multi_style_transfer.MultiStyleTransfer:
        same = {field.name: getattr(self.config, field.name) for field in dataclasses.fields(self.config)}
        return multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(**same), loaded=load(style))
