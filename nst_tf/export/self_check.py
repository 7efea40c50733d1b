"""A bundle proven without its exporter: a process that knows only TensorFlow's C library loads it and answers.

    python -m nst_tf.export.self_check BUNDLE

repeats the check of an export with the requests and answers that the bundle brought along, and prints the differences.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from nst_tf import errors
from nst_tf.export import manifest, trial_requests

REPLAY = pathlib.Path(__file__).with_name("replay.py")
_PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_TIMEOUT_S = 1800


def check(
    bundle: pathlib.Path, requests: Sequence[trial_requests.Example], tolerance_levels: tuple[float, float]
) -> dict[str, Any]:
    """Replays the requests in a process of its own and compares the answers.

    Args:
        bundle: the folder of the SavedModel.
        requests: with the answers of Python.
        tolerance_levels: the mean and the largest difference that pass, in 8-bit levels.

    Returns:
        What was found, fit for the manifest.

    Raises:
        ExportError: it does not load, a request fails, or an answer is further off.
    """
    _check_ops(bundle)
    with tempfile.TemporaryDirectory(prefix="nst-tf-check-") as temporary:
        folder = pathlib.Path(temporary)
        for request in requests:
            trial_requests.write(request, folder)
        seconds = replay(bundle, folder)
        report: dict[str, Any] = {"load_s": round(seconds["load"], 3), "requests": {}}
        report["tolerance_levels"] = dict(zip(("mean", "largest"), tolerance_levels, strict=True))
        for request in requests:
            failed = folder / f"{request.name}.error.txt"
            if failed.exists():
                raise errors.ExportError(f"the bundle failed the request {request.name}: {failed.read_text()}")
            with np.load(folder / f"{request.name}.outputs.npz") as answer:
                mean, largest = trial_requests.difference(request, dict(answer))
            if not (mean <= tolerance_levels[0] and largest <= tolerance_levels[1]):  # true for NaN, too
                raise errors.ExportError(
                    f"the bundle's answer to the request {request.name} must be within {tolerance_levels[0]} levels of "
                    f"Python's on average and {tolerance_levels[1]} at most. Received: {mean:.3g} and {largest:.3g}."
                )
            report["requests"][request.name] = {
                "signature": request.signature,
                "mean_difference_levels": float(f"{mean:.3g}"),
                "largest_difference_levels": float(f"{largest:.3g}"),
                "seconds": round(seconds[request.name], 3),
            }
    return report


def replay(bundle: pathlib.Path, folder: pathlib.Path, *options: str) -> dict[str, float]:
    """Runs `replay.py` on the requests of a folder; returns the seconds of each, of `load` and of `all`.

    Raises:
        ExportError: the bundle does not load, or the process dies.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    result = subprocess.run(
        [sys.executable, str(REPLAY), str(bundle.absolute()), str(folder.absolute()), *options],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        env=environment,
        cwd=folder,
        check=False,
    )
    if result.returncode != 0:
        reason = result.stderr.rpartition("RuntimeError: ")[2] or f"exit code {result.returncode}"
        raise errors.ExportError(
            f"TensorFlow's C library cannot load the bundle: {errors.one_line(reason, max_characters=1000)}"
        )
    return dict(json.loads((folder / "seconds.json").read_text()))


def _check_ops(bundle: pathlib.Path) -> None:
    """Refuses operations that need the exporter's Python or a compiler that servers leave off."""
    model = saved_model_pb2.SavedModel.FromString((bundle / "saved_model.pb").read_bytes())
    (meta,) = model.meta_graphs
    functions = meta.graph_def.library.function
    for node in [*meta.graph_def.node, *(node for function in functions for node in function.node_def)]:
        if node.op in _PYTHON_OPS or node.attr["_XlaMustCompile"].b:
            raise errors.ExportError(
                f"a bundle cannot hold {node.op}: a server has neither the exporter's Python nor XLA. Received: the "
                f"operation {node.name}. Write that part of the extractor in TensorFlow operations."
            )


def repeat(bundle: pathlib.Path) -> dict[str, Any]:
    """Checks a bundle again, with the requests that it brought along.

    Raises:
        ExportError: as `check`, or the bundle has no manifest or no requests.
    """
    precision = manifest.read(bundle).precision
    requests = trial_requests.read(bundle / trial_requests.EXAMPLES)
    return check(bundle, requests, trial_requests.TOLERANCE_LEVELS[precision])


def main(arguments: Sequence[str]) -> int:
    """Repeats the check of the bundle that is named; 0 where it holds, else 2 and one line."""
    try:
        if len(arguments) != 1:
            raise errors.ExportError("usage: python -m nst_tf.export.self_check BUNDLE")
        report = repeat(pathlib.Path(arguments[0]))
    except errors.NstError as error:
        print(errors.one_line(error, max_characters=2000), file=sys.stderr)
        return 2
    for name, found in report["requests"].items():
        mean, largest = found["mean_difference_levels"], found["largest_difference_levels"]
        print(f"{name} ({found['signature']}): {mean} levels of 255 on average, {largest} at most")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
