"""recolour(): a photograph in the colours of another picture, by one affine map, in milliseconds. Needs no network."""

import dataclasses
import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from nst_tf import configs, messages, results
from nst_tf.pictures import colours, controls, images, inputs

_STATISTICS_PX = 512  # long side at which means and covariances are taken, which hardly depend on it


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RecolourResult(results.Result):
    """A picture in other colours, and how it was made. It has no network."""

    method: ClassVar[str] = "recolour"


def recolour(
    content: inputs.Source,
    style: inputs.Source | Sequence[inputs.Source],
    config: configs.RecolourConfig | None = None,
    *,
    on_message: messages.OnMessage = messages.log,
) -> RecolourResult:
    """Gives a photograph the colours of another picture: their mean and their covariance.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8, or
            floats in [0, 1], sRGB).
        style: the same, or a list or tuple of several, whose colours are mixed by config.style_blend.
        config: the settings; the defaults when left out.
        on_message: called with lines worth telling the user, such as that a profile was converted.

    Raises:
        NstError: a picture or a setting is unusable; the message says how to fix it.

    Source: Pitie & Kokaram 2007, as `colours.colour_map` has it; Gatys et al. 2016, "Preserving Color in Neural
    Artistic Style Transfer", eq. 11, for luminance: the style's light on the content's own colours.

    Example:
        >>> import nst_tf
        >>> result = nst_tf.recolour("sample:launch-pad", "sample:turner", nst_tf.RecolourConfig(max_side_px=64))
        >>> result.image.shape
        (1, 51, 64, 3)
    """
    started = time.perf_counter()
    config = configs.as_config(config, configs.RecolourConfig)
    sources = list(style) if isinstance(style, (list, tuple)) else [style]
    inputs.check_styles(sources, config.style_blend)
    picture = inputs.read_picture(content, "content", config.max_side_px)
    styles = [inputs.read_picture(source, "style", _STATISTICS_PX) for source in sources]
    pictures = inputs.Inputs(picture, tuple(styles))
    for note in pictures.notes:
        on_message(note)
    shown, (like, shares) = images.scaled(picture, _STATISTICS_PX), _mixed(styles, config.style_blend)
    weights = {"weights": shown.alpha, "like_weights": shares}
    if config.colours == "luminance":
        light = colours.luma_map(shown.pixels, like, **weights)
        recoloured = colours.with_luma(picture.pixels, light.apply(colours.grey(picture.pixels)))
    else:
        recoloured = colours.colour_map(shown.pixels, like, config.colour_map, **weights).apply(picture.pixels)
    return RecolourResult(
        image=controls.blended(picture.pixels, recoloured, config.strength),
        alpha=picture.alpha,
        config=config,
        seconds=time.perf_counter() - started,
        precision="float64",
        network={},
        inputs=pictures.identities,
    )


def _mixed(styles: Sequence[images.Picture], blend: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of all styles in a row, [1, 1, P, 3], and how much each counts, [1, 1, P, 1]."""
    pixels, shares = [], []
    for style, share in zip(styles, blend or [1.0] * len(styles), strict=True):
        visible = np.ones_like(style.pixels[..., :1]) if style.alpha is None else style.alpha
        pixels.append(style.pixels.reshape(1, 1, -1, 3))
        shares.append((share * visible / max(float(visible.sum()), 1.0)).reshape(1, 1, -1, 1))
    return np.concatenate(pixels, axis=2), np.concatenate(shares, axis=2)
