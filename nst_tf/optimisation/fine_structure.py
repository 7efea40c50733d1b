"""A style with the fine structure of another: both pictures are mixed into one before the transfer.

Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 6.1: the coarse style is
optimised towards the Gram matrices of the fine style in the shallow layers, from itself and with its own content.
Deviations: the shallow layers are those of the run's style layers in the first two blocks, at every size, and colours
are matched by the run's own map.
"""

import dataclasses
import hashlib

import numpy as np

from nst_tf import configs, vgg
from nst_tf.pictures import images

_LEAST_SIDE_PX = 16


def config_of(config: configs.StyleTransferConfig, style: images.Picture) -> configs.StyleTransferConfig:
    """The settings by which the fine structure is put into a style picture.

    Args:
        config: of the run; its fine_style names the picture.
        style: the coarse style, at its working size.
    """
    shallow = [vgg.block(layer) <= configs.FINE_BLOCKS for layer in config.style_layers]
    weights = tuple(w for w, keep in zip(config.style_layer_weights, shallow, strict=False) if keep)
    return dataclasses.replace(
        config,
        fine_style="",
        style_layers=tuple(layer for layer, keep in zip(config.style_layers, shallow, strict=True) if keep),
        style_layer_weights=weights,
        max_side_px=max(_LEAST_SIDE_PX, style.height_px, style.width_px),
        style_max_side_px=None,
        style_blend=(),
        initialisation="content",
        colours="content",
        style_terms=("gram",),
        style_term_weights=(),
        **configs.WITHOUT_CLEANING,
        photorealism_weight=0.0,
        guided_filter_radius=0.0,
        full_size=False,
        strength=1.0,
        scales=1,
        steps=max(config.steps, config.coarse_steps),
        time_budget_s=None,
        snapshot_interval=0,
    )


def mixed(style: images.Picture, fine: images.Picture, image: np.ndarray) -> images.Picture:
    """The style picture with the pixels that the optimisation came to, known by the hashes of both pictures."""
    digest = hashlib.sha256(f"{style.sha256}{fine.sha256}".encode()).hexdigest()
    note = f"with the fine structure of {fine.name}"
    return dataclasses.replace(style, pixels=image, sha256=digest, notes=(*style.notes, note))
