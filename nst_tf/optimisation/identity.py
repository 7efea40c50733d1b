"""What makes a run the same run: the settings, pictures and weights behind its result, and the machine."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from nst_tf import configs, machine
from nst_tf.optimisation import checkpoint, lbfgs
from nst_tf.pictures import inputs

# A preset and a quality are their settings, weights are recognised by their hash, snapshots only show the run, and a
# fine style is part of the styles' hashes.
_WITHOUT_EFFECT = ("preset", "quality", "weights", "snapshot_interval", "fine_style")


def of(
    config: configs.StyleTransferConfig,
    pictures: inputs.Inputs,
    *,
    policy: str,
    convolution: str,
    weights: Mapping[str, str],
) -> checkpoint.Identity:
    """The identity of a run.

    Args:
        config: its settings.
        pictures: its pictures, known by their hash and size; a name may change.
        policy: the dtype policy that config.precision came to on this machine.
        convolution: the form that config.convolution came to on this machine.
        weights: what is recorded of the network's weights; empty where the caller gave the network.
    """
    run = {name: value for name, value in dataclasses.asdict(config).items() if name not in _WITHOUT_EFFECT}
    run |= {"precision": policy, "convolution": convolution}
    if config.optimizer == "lbfgs" and lbfgs.products_of(config) is lbfgs.column_products:
        run["optimizer"] = "lbfgs with the sums of convolution=direct"  # auto may come to direct, with other sums
    if pictures.start is not None and config.initialisation != "adain":  # a file's, or one that the caller gave
        run["initialisation"] = _picture(pictures.start)
    run["content"] = _picture(pictures.content)
    run["style"] = [_picture(style) for style in pictures.styles]
    masks = {"masks": pictures.masks, "own_masks": pictures.own_masks, "keep": pictures.keep and (pictures.keep,)}
    run |= {name: [_picture(mask) for mask in found] for name, found in masks.items() if found}
    run["weights"] = weights.get("sha256", "as given")
    return checkpoint.Identity(run, machine.described())


def _picture(picture: Any) -> str:
    return f"picture of {picture.width_px} x {picture.height_px} px with sha256 {picture.sha256}"
