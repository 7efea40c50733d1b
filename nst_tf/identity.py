"""What makes a run the same run: the settings, pictures and weights behind its result, and the machine."""

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

import nst_tf
from nst_tf import checkpoint, configs, inputs, precision

# A preset is the settings it stands for, weights are told by their hash, and snapshots only show the run.
_WITHOUT_EFFECT = ("preset", "weights", "snapshot_interval")


def of(
    config: configs.StyleTransferConfig, pictures: inputs.Inputs, *, policy: str, weights: Mapping[str, str]
) -> checkpoint.Identity:
    """The identity of a run.

    Args:
        config: its settings.
        pictures: its pictures, known by their hash and size; a name may change.
        policy: the dtype policy that config.precision came to on this machine.
        weights: what is recorded of the network's weights; empty where the caller gave the network.
    """
    run = {name: value for name, value in dataclasses.asdict(config).items() if name not in _WITHOUT_EFFECT}
    run |= {"precision": policy, "xla": "on" if precision.resolve_xla(config.xla) else "off"}
    if pictures.start is not None:
        run["initialisation"] = _picture(pictures.start)
    run["content"] = _picture(pictures.content)
    run["style"] = [_picture(style) for style in pictures.styles]
    run["weights"] = weights.get("sha256", "as given")
    return checkpoint.Identity(run, _machine())


def _picture(picture: Any) -> str:
    return f"picture of {picture.width_px} x {picture.height_px} px with sha256 {picture.sha256}"


def _machine() -> dict[str, Any]:
    """What the last bits of a result may depend on."""
    threads = tf.config.threading
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return (
        {"nst_tf": nst_tf.__version__, "python": platform.python_version()}
        | versions
        | {
            "threads of an operation": threads.get_intra_op_parallelism_threads() or _cores(),
            "operations at a time": threads.get_inter_op_parallelism_threads() or _cores(),
            "CPU": precision.cpu_name(),
            "GPU": ", ".join(str(gpu.get("device_name")) for gpu in gpus) or "none",
        }
    )


def _cores() -> int:
    """The cores this process may use, which is TensorFlow's default."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
