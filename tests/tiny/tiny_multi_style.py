"""The network for many styles with few channels and random weights, as arrays, as a loaded one and as an ONNX file."""

import functools
import hashlib

import numpy as np

from nst_tf import configs
from nst_tf.networks import multi_style, multi_style_transfer
from nst_tf.weights import style_files

STYLES = 3
KERNELS = {  # layer -> shape, as PyTorch has it
    "contract.0": (4, 3, 9, 9),
    "contract.1": (6, 4, 3, 3),
    "contract.2": (6, 6, 3, 3),
    "res.0.0": (6, 6, 3, 3),
    "res.0.1": (6, 6, 3, 3),
    "expand.0": (5, 6, 3, 3),
    "expand.1": (4, 5, 3, 3),
    "expand.2": (3, 4, 9, 9),
}
SIZE = sum(shape[0] for shape in KERNELS.values())


def tensors(seed=0):
    generator = np.random.default_rng(seed)
    found = {}
    for layer, shape in KERNELS.items():
        scale = np.sqrt(2 / np.prod(shape[1:]))
        found[f"{layer}.w"] = generator.normal(0, scale, shape).astype(np.float32)
        found[f"{layer}.norm.gamma"] = generator.uniform(0.5, 1.5, [STYLES, shape[0]]).astype(np.float32)
        found[f"{layer}.norm.beta"] = generator.normal(0, 0.3, [STYLES, shape[0]]).astype(np.float32)
    return found


def kernels(seed=0):
    return {
        key.removesuffix(".w").replace("res", "residual"): value.transpose(2, 3, 1, 0)
        for key, value in tensors(seed).items()
        if key.endswith(".w")
    }


def known(seed=0):
    found = tensors(seed)
    return multi_style.Style(
        *(np.concatenate([found[f"{layer}.norm.{part}"] for layer in KERNELS], axis=1) for part in ("gamma", "beta"))
    )


@functools.cache
def loaded(seed=0):
    weights = {"source": "tiny", "sha256": hashlib.sha256(b"tiny").hexdigest(), "licence": "none"}
    return multi_style.Loaded(multi_style.MultiStyleNetwork(kernels(seed)), known(seed), weights)


def engine(**settings):
    """An engine on the tiny network, which all tests share: it has these settings until it is asked for with others."""
    shared = _engine()
    shared.reconfigure(configs.MultiStyleConfig(**settings))
    return shared


@functools.cache
def _engine():
    return multi_style_transfer.MultiStyleTransfer(loaded=loaded())


def style_file(sizes_px=(384,), **changes):
    generator = np.random.default_rng(1)
    gamma, beta = generator.normal(1, 0.3, [2, len(sizes_px), SIZE]).astype(np.float32)
    values = {
        "name": "tiny",
        "network_sha256": hashlib.sha256(b"tiny").hexdigest(),
        "stroke_sizes_px": tuple(sizes_px),
        "gamma": gamma,
        "beta": beta,
        "about": {"steps": 3},
    }
    return style_files.StyleFile(**(values | changes))


def onnx(arrays):
    """An ONNX file that holds the arrays as float32 initialisers."""
    graph = b"".join(field(5, tensor(name, array)) for name, array in arrays.items())
    return field(1, 8) + field(2, b"pytorch") + field(7, field(1, b"\x0a\x01x") + graph)


def tensor(name, array, *, kind=1, packed=False):
    """A TensorProto, its dimensions one field each or packed."""
    dims = field(1, b"".join(map(varint, array.shape))) if packed else b"".join(field(1, n) for n in array.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, array.astype("<f4").tobytes())


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    content = bytearray()
    while value >= 0x80:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])
