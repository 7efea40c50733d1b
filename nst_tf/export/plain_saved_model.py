"""A SavedModel of arrays alone, for converters that know neither text nor checks: OpenVINO, tensorflowjs and others."""

import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf import saved_model_pb2

from nst_tf import errors
from nst_tf.export import self_check, trial_requests

_OF_SAVING = ("traced_save", "traced_restore")  # functions that every SavedModel has, with text
_NOT_PLAIN = ("Assert", "Print", "PyFunc", "EagerPyFunc")


def write(
    function: Any, module: tf.Module, folder: pathlib.Path, examples: Sequence[trial_requests.Example]
) -> dict[str, Any]:
    """Saves a function as the one signature serving_default, and checks it in TensorFlow's C library.

    Args:
        function: a concrete function that returns {"stylized": pictures}.
        module: holds its variables.
        folder: is created.
        examples: requests with the answers of Python.

    Returns:
        What was found, fit for the manifest.

    Raises:
        ExportError: it holds operations on text or checks, or answers otherwise than Python.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.WARNING))  # TensorFlow names each file that it writes
    try:
        tf.saved_model.save(module, str(folder), signatures={trial_requests.DEFAULT: function})
    finally:
        logging.set_verbosity(verbosity)
    _check_plain(folder)
    return self_check.check(folder, examples, trial_requests.TOLERANCE_LEVELS["float32"])


def _check_plain(folder: pathlib.Path) -> None:
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = model.meta_graphs
    for function in meta.graph_def.library.function:
        is_of_saving = any(part in function.signature.name for part in _OF_SAVING)
        for node in () if is_of_saving else function.node_def:
            if node.op in _NOT_PLAIN or node.op.startswith("String"):
                raise errors.ExportError(
                    f"a plain SavedModel cannot hold {node.op}. Received: the operation {node.name}. "
                    "Write that part in operations on numbers."
                )
