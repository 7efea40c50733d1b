"""LPIPS against the one written with NumPy alone."""

import numpy as np
import pytest

from nst_tf.evaluation import lpips
from nst_tf.pictures import images
from tests import tolerances
from tests.reference import numpy_lpips
from tests.tiny import tiny_network

NETWORKS = {"alexnet": numpy_lpips.ALEXNET, "vgg16": numpy_lpips.VGG16}


def random_layers(name):
    generator = np.random.default_rng(0)
    layers = {}
    for layer, shape in lpips._shapes(name).items():
        kernel = generator.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape)
        layers[layer] = ((kernel if "conv" in layer else np.abs(kernel)).astype(np.float32), np.zeros(shape[3:], "f4"))
    return layers


@pytest.mark.parametrize("name", NETWORKS)
def test_the_distance_is_that_of_numpy(name):
    picture, other = tiny_network.picture(33, 40, seed=1), tiny_network.picture(33, 40, seed=2)
    layers = random_layers(name)
    measure = lpips.Lpips(name=name, layers=layers, source="", sha256="", licence="")
    expected = numpy_lpips.distance(picture[0], other[0], layers, NETWORKS[name])
    assert expected > 0.01
    np.testing.assert_allclose(measure(picture, other), [expected], rtol=1e-4)


@pytest.mark.weights
def test_the_real_distance_is_that_of_numpy_and_orders_pictures_as_people_do():
    measure = lpips.load("alexnet")
    picture = images.load("sample:launch-pad", max_side_px=64).pixels
    noisy = np.random.default_rng(0).normal(picture, 0.05).clip(0, 1).astype(np.float32)
    other = images.load("sample:van-gogh", max_side_px=64).pixels[:, : picture.shape[1], : picture.shape[2]]
    picture, noisy = (pixels[:, : other.shape[1], : other.shape[2]] for pixels in (picture, noisy))
    expected = numpy_lpips.distance(other[0], picture[0], measure.layers, numpy_lpips.ALEXNET)
    np.testing.assert_allclose(measure(other, picture), [expected], rtol=1e-4)
    assert float(measure(picture, picture)[0]) < tolerances.ABSOLUTE["float32"]  # exactly 0 on some CPUs only
    assert float(measure(noisy, picture)[0]) < 0.5 * expected
