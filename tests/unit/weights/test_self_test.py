import numpy as np
import pytest

from nst_tf import errors, vgg
from nst_tf.weights import self_test, vgg19
from tests import tolerances

TINY = (("block1_conv1", 3, 4), ("block1_conv2", 4, 5), ("block2_conv1", 5, 6), ("block3_conv1", 6, 3))


def random_network(table=TINY, seed=0, scale=0.3):
    generator = np.random.default_rng(seed)
    return {
        name: (
            generator.normal(size=(3, 3, i, o), scale=scale).astype(np.float32),
            generator.normal(size=o).astype(np.float32),
        )
        for name, i, o in table
    }


def pictures():
    generator = np.random.default_rng(1)
    return [generator.random((1, 20, 24, 3), np.float32), generator.random((1, 17, 13, 3), np.float32)]


def run(network, image, **options):
    return {name: features.numpy() for name, features in self_test.activations(network, image, **options)}


def test_activations_pool_between_blocks_only():
    shapes = [features.shape for features in run(random_network(), pictures()[1]).values()]
    assert shapes == [(1, 17, 13, 4), (1, 17, 13, 5), (1, 8, 6, 6), (1, 4, 3, 3)]


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_activations_equal_the_extractors(pooling):
    table = vgg.CONVOLUTIONS[:4]
    network = random_network(table, scale=0.05)
    layers = ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    taps = vgg.feature_extractor(network, layers, pooling=pooling)(pictures()[0])
    expected = run(network, pictures()[0], pooling=pooling)
    for layer, features in zip(layers, expected.values(), strict=True):
        np.testing.assert_allclose(taps[layer], features, **tolerances.of("float32") | {"atol": 1e-3})


def test_normalising_makes_every_mean_activation_one():
    normalised = self_test.normalise(random_network(), pictures())
    features = [run(normalised, image) for image in pictures()]
    for name, _, filters in TINY:
        values = np.concatenate([f[name].reshape(-1, filters) for f in features])
        np.testing.assert_allclose(values.mean(axis=0, dtype=np.float64), 1, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_normalising_changes_each_tap_by_a_positive_constant_per_channel_only(pooling):
    network = random_network()
    before = run(network, pictures()[0], pooling=pooling)
    after = run(self_test.normalise(network, pictures()), pictures()[0], pooling=pooling)
    for name in before:
        factors = after[name].max(axis=(0, 1, 2)) / before[name].max(axis=(0, 1, 2))
        assert (factors > 0).all()
        np.testing.assert_allclose(after[name], before[name] * factors, rtol=1e-4, atol=1e-4)


def test_normalising_leaves_a_dead_channel_as_it_is():
    network = random_network()
    network["block1_conv2"][0][..., 2] = 0
    network["block1_conv2"][1][2] = -7
    normalised = self_test.normalise(network, pictures())
    assert normalised["block1_conv2"][1][2] == -7
    np.testing.assert_array_equal(
        run(normalised, pictures()[0])["block1_conv2"][..., 2], run(network, pictures()[0])["block1_conv2"][..., 2]
    )
    assert all(np.isfinite(kernel).all() for kernel, _ in normalised.values())


def test_a_missing_layer_is_refused():
    with pytest.raises(errors.WeightsError, match=r"x: VGG-19 needs the layer block2_conv2.*block1_conv1"):
        self_test.identify(random_network(vgg.CONVOLUTIONS[:3]), name="x")


def test_other_shapes_are_refused():
    network = random_network(vgg.CONVOLUTIONS[:1])
    network["block1_conv1"] = (np.zeros((5, 5, 3, 64), np.float32), np.zeros(64, np.float32))
    with pytest.raises(errors.WeightsError, match=r"block1_conv1 must have a kernel \[3, 3, 3, 64\].*\[5, 5, 3, 64\]"):
        self_test.identify(network, name="x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", [0, 1])
def test_values_that_are_not_finite_are_refused(value, part):
    network = random_network(vgg.CONVOLUTIONS[:1])
    network["block1_conv1"][part][..., 5] = value
    with pytest.raises(errors.WeightsError, match="NaN or infinity"):
        self_test.identify(network, name="x")


def test_random_weights_are_refused_by_their_answers():
    table, shared = {}, {}  # one array for each shape keeps this fast
    for name, i, o in vgg.CONVOLUTIONS:
        if (i, o) not in shared:
            shared[i, o] = random_network([(name, i, o)], scale=0.05)[name]
        table[name] = shared[i, o]
    with pytest.raises(errors.WeightsError, match="shapes are VGG-19's but the weights are not"):
        self_test.identify(table, name="x")


@pytest.fixture(scope="module")
def real():
    return dict(vgg19.load("normalised").convolutions)


@pytest.mark.weights
def test_the_normalised_network_is_recognised(real):
    assert self_test.identify(real, name="x") == "normalised"


@pytest.mark.weights
def test_the_normalised_networks_mean_activations_are_near_one_with_max_pooling(real):
    picture = self_test.images.load("sample:launch-pad", max_side_px=224).pixels
    medians = [np.median(f.mean(axis=(0, 1, 2))) for f in run(real, picture).values()]
    assert min(medians[:12]) > 0.7
    assert max(medians) < 1.2


@pytest.mark.weights
def test_the_same_network_with_other_channel_scales_is_recognised_as_the_original(real):
    generator = np.random.default_rng(3)
    undo, scaled = np.ones(3), {}
    for name, (kernel, bias) in real.items():
        scale = generator.uniform(5, 50, size=bias.shape)
        scaled[name] = ((kernel * scale / undo[:, np.newaxis]).astype(np.float32), (bias * scale).astype(np.float32))
        undo = scale
    assert self_test.identify(scaled, name="x") == "original"
    again = self_test.normalise(scaled, [self_test.images.load("sample:launch-pad", max_side_px=224).pixels])
    assert self_test.identify(again, name="x") == "normalised"


def swap_red_and_blue(network):
    kernel, bias = network["block1_conv1"]
    network["block1_conv1"] = (kernel[:, :, ::-1], bias)


def shuffle_filters(network):
    kernel, bias = network["block3_conv2"]
    network["block3_conv2"] = (kernel[..., ::-1], bias)


def swap_layers(network):
    network["block5_conv3"], network["block5_conv4"] = network["block5_conv4"], network["block5_conv3"]


def turn_kernels(network):
    for name, (kernel, bias) in network.items():
        network[name] = (kernel.transpose(1, 0, 2, 3), bias)


def forget_biases(network):
    for name, (kernel, bias) in network.items():
        network[name] = (kernel, np.zeros_like(bias))


def take_zero_to_one(network):
    kernel, bias = network["block1_conv1"]
    network["block1_conv1"] = (kernel * 255, bias)


@pytest.mark.weights
@pytest.mark.parametrize(
    "damage", [swap_red_and_blue, shuffle_filters, swap_layers, turn_kernels, forget_biases, take_zero_to_one]
)
def test_a_changed_network_is_refused(real, damage):
    network = dict(real)
    damage(network)
    with pytest.raises(errors.WeightsError, match="shapes are VGG-19's but the weights are not"):
        self_test.identify(network, name="x")
