import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, vgg
from nst_tf.losses import objective
from nst_tf.vgg import convolution, forms
from nst_tf.weights import vgg19

SIZES = [(1, 1), (3, 4), (4, 4), (5, 7), (8, 12), (18, 23)]  # below one tile, one, and sizes that 4 does not divide
RELATIVE_TO_LARGEST = 1e-4  # what a form may differ by from direct convolution in float64


def frozen(form, kernel, bias, policy="float32", form_if_small=""):
    settings = {"filters": bias.size, "kernel_size": 3, "padding": "same", "activation": "relu", "dtype": policy}
    return convolution.FrozenConvolution(form=form, form_if_small=form_if_small, convolution=(kernel, bias), **settings)


def output_and_gradient(layer, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    return y, tape.gradient(y, x, upstream)


def difference(found, wanted):
    return np.abs(np.asarray(found, np.float64) - wanted).max() / np.abs(wanted).max()


def layer_and_input(height, width, inputs=7, outputs=5):
    random = np.random.default_rng(height * width)
    kernel = random.normal(0, 1 / np.sqrt(9 * inputs), [3, 3, inputs, outputs])
    shapes = [outputs], [2, height, width, inputs], [2, height, width, outputs]
    return kernel, *(random.normal(size=shape) for shape in shapes)


@pytest.mark.parametrize("form", ["rotated", "winograd"])
@pytest.mark.parametrize("size", SIZES)
def test_a_form_gives_the_features_and_gradients_of_direct_convolution_in_float64(form, size):
    kernel, bias, x, upstream = layer_and_input(*size)
    exact = output_and_gradient(
        lambda image: tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME") + bias), tf.constant(x), tf.constant(upstream)
    )
    x, upstream = tf.constant(x, tf.float32), tf.constant(upstream, tf.float32)
    found = output_and_gradient(frozen(form, kernel, bias), x, upstream)
    for value, wanted in zip(found, exact, strict=True):
        assert difference(value, wanted.numpy()) < RELATIVE_TO_LARGEST


@pytest.mark.parametrize("size", [(3, 3), (6, 9), (10, 18), (25, 16)])
@pytest.mark.parametrize("strip_tiles", [2, 288])
def test_winograd_without_padding_gives_the_features_and_gradients_of_direct_convolution(
    monkeypatch, size, strip_tiles
):
    monkeypatch.setattr(forms, "STRIP_TILES", strip_tiles)
    kernel, _, x, upstream = layer_and_input(*size)
    upstream = upstream[:, :-2, :-2]
    wanted = tf.nn.conv2d(x, kernel, 1, "VALID")
    wanted_back = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=x.shape, filter=kernel, out_backprop=upstream, strides=[1] * 4, padding="VALID"
    )
    x, upstream, u = (tf.constant(each, tf.float32) for each in (x, upstream, convolution.transformed_filters(kernel)))
    assert difference(convolution.winograd(x, u, margin=0), wanted.numpy()) < RELATIVE_TO_LARGEST
    back = convolution.winograd(upstream, u, turned=True, margin=2)
    assert difference(back, wanted_back.numpy()) < RELATIVE_TO_LARGEST


@pytest.mark.parametrize("size", [(9, 6), (16, 3)])
def test_a_layer_in_several_strips_is_the_layer_in_one(monkeypatch, size):
    kernel, bias, x, upstream = layer_and_input(*size)
    x, upstream, u = (tf.constant(each, tf.float32) for each in (x, upstream, convolution.transformed_filters(kernel)))

    def forward_and_back():
        y = convolution.winograd(x, u, bias=tf.constant(bias, tf.float32))
        return y, convolution.winograd(upstream, u, turned=True, features=y)

    whole = forward_and_back()
    monkeypatch.setattr(forms, "STRIP_TILES", 2)
    for found, wanted in zip(forward_and_back(), whole, strict=True):
        assert difference(found, wanted.numpy()) < 1e-5


@pytest.mark.parametrize(
    ("threads", "rows", "columns", "strip_rows"),
    [
        (2, 8, 32, 8),  # one strip
        (1, 22, 32, 8),  # three for one thread: 8, 8 and 6
        (2, 22, 32, 6),  # four for two: 6, 6, 6 and 4, so 12 rows of time for 16
        (2, 43, 64, 5),  # nine; of 4 rows there would be eleven, and 24 rows of time for 25, but two more to start
        (4, 12, 120, 3),  # four strips of 3 rows; of 2 rows there would be six, and 4 rows of time
        (8, 22, 32, 8),  # fewer strips than threads
    ],
)
def test_strips_are_shared_by_the_threads(monkeypatch, threads, rows, columns, strip_rows):
    monkeypatch.setattr(convolution, "strips_at_a_time", lambda: threads)
    assert int(convolution._rows_of_a_strip(rows, columns)) == strip_rows
    assert int(convolution._rows_of_a_strip(tf.constant(rows), tf.constant(columns))) == strip_rows


@pytest.mark.parametrize(("side", "form"), [(12, "rotated"), (16, "winograd")])  # 18 and 32 tiles of two pictures
def test_a_small_layer_is_computed_in_its_own_form(side, form):
    kernel, bias, x, upstream = layer_and_input(side, side, 512, 512)
    arguments = tf.constant(x, tf.float32), tf.constant(upstream, tf.float32)
    wanted = output_and_gradient(frozen(form, kernel, bias), *arguments)
    for graph in (output_and_gradient, tf.function(output_and_gradient, autograph=False)):
        found = graph(frozen("winograd", kernel, bias, form_if_small="rotated"), *arguments)
        for value, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(value, other)


def test_one_graph_works_for_every_size():
    kernel, bias, *_ = layer_and_input(4, 4, 512, 512)
    layer = frozen("winograd", kernel, bias, form_if_small="rotated")
    traced = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 512])])
    for size in SIZES:  # the last has 60 tiles, the one before 12
        _, _, x, _ = layer_and_input(*size, 512, 512)
        wanted = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
        assert difference(traced(tf.constant(x, tf.float32)), wanted.numpy()) < RELATIVE_TO_LARGEST


def test_the_turned_convolution_is_the_transpose_of_the_other():
    kernel, _, x, upstream = layer_and_input(9, 6)
    u = tf.constant(convolution.transformed_filters(kernel))
    x, upstream = tf.constant(x, tf.float32), tf.constant(upstream, tf.float32)
    forward = tf.reduce_sum(convolution.winograd(x, u) * upstream)
    back = tf.reduce_sum(convolution.winograd(upstream, u, turned=True) * x)
    np.testing.assert_allclose(forward, back, rtol=1e-4)


def test_the_transforms_are_those_of_the_paper():
    """F(4, 3) of integers is exact: A^T [(G g) * (B^T d)] is the filter at each of four places."""
    at, g, bt = convolution.interpolation_matrices()
    d, taps = np.arange(6.0) ** 2, np.array([2.0, -1.0, 3.0])
    np.testing.assert_allclose(at @ ((g @ taps) * (bt @ d)), np.correlate(d, taps, "valid"), rtol=1e-12)


def test_winograd_computes_in_float32_under_a_policy_of_16_bits():
    kernel, bias, x, _ = layer_and_input(8, 8)
    y = frozen("winograd", kernel, bias, "mixed_bfloat16")(tf.constant(x, tf.bfloat16))
    assert y.dtype == tf.bfloat16
    wanted = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
    assert difference(tf.cast(y, tf.float32), wanted.numpy()) < 2e-2


def test_direct_is_keras_own_layer():
    assert {forms.form_of(layer, "direct") for layer in vgg.LAYERS} == {"direct"}


def test_winograd_begins_at_block_2_and_the_first_layer_is_always_direct():
    assert forms.form_of("conv1_1", "rotated") == forms.form_of("conv1_1", "winograd") == "direct"
    assert forms.form_of("conv1_2", "winograd") == "direct"
    assert forms.form_of("conv1_2", "winograd-rotated") == "rotated"
    assert forms.form_of("conv1_2", "winograd-all") == "winograd"
    assert forms.form_of("conv2_1", "winograd") == forms.form_of("conv5_1", "winograd") == "winograd"


def test_a_layer_is_large_by_its_tiles_and_channels():
    assert forms.large_tiles(512, 512) == 31
    assert forms.large_tiles(128, 256) == 245


def test_the_filters_kept_for_winograd_are_counted():
    kernel = np.zeros([3, 3, 256, 512], np.float32)
    assert convolution.transformed_filters(kernel).nbytes == forms.filter_bytes(["conv4_1"], "winograd")
    assert forms.filter_bytes(vgg.LAYERS, "direct") == 0


@pytest.mark.weights
@pytest.mark.parametrize("form", ["winograd", pytest.param("rotated", marks=pytest.mark.slow)])
def test_the_real_network_gives_the_features_and_gradient_of_float64(form):
    from nst_tf.pictures import inputs

    picture = inputs.read_picture("sample:launch-pad", "content", 48).pixels[:, :35, :37]
    config = configs.preset("default", content_layers=("conv4_2",))
    loaded = vgg19.load().convolutions
    answers = {}
    for kind, policy in (("direct", "float64"), (form, "float32")):
        extractor = vgg.feature_extractor(
            loaded, config.layers, pooling=config.pooling, policy=policy, convolution=kind
        )
        image = tf.constant(picture, policy)
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = extractor(image)
            total = tf.add_n([tf.reduce_mean(value**2) for value in features.values()])
        answers[kind] = features | {"gradient": tape.gradient(total, image)}
    for name, wanted in answers["direct"].items():
        assert difference(answers[form][name], wanted.numpy()) < RELATIVE_TO_LARGEST, name


@pytest.mark.slow  # the gradient of the real network is compared above
@pytest.mark.weights
def test_a_run_of_winograd_ends_at_the_objective_of_a_direct_one():
    """By Adam: L-BFGS takes another path after the slightest rounding, with another number of threads as well."""
    import nst_tf

    config = configs.preset("default", max_side_px=64, scales=1, steps=30, precision="float32", optimizer="adam")
    ends = [
        nst_tf.stylize("sample:launch-pad", "sample:van-gogh", dataclasses.replace(config, convolution=form)).best_loss
        for form in ("direct", "winograd")
    ]
    assert abs(ends[1] / ends[0] - 1) < 5e-3


def test_the_objective_of_the_extractor_is_that_of_the_direct_form():
    random = np.random.default_rng(3)
    layers = {
        name: (random.normal(0, np.sqrt(2 / (9 * inputs)), [3, 3, inputs, outputs]), np.zeros(outputs))
        for name, inputs, outputs in vgg.CONVOLUTIONS[:5]
    }
    config = configs.preset("default", content_layers=("conv3_1",), style_layers=("conv2_1",))
    image = tf.constant(random.uniform(size=[1, 20, 28, 3]), tf.float32)
    gradients = []
    for form in forms.FORMS:
        extractor = vgg.feature_extractor(layers, config.layers, pooling="average", convolution=form)
        goal = objective.Objective(extractor=extractor, config=config)
        _, gradient = goal.terms_and_gradient(image, goal.targets(image[:, ::-1], [image[:, :, ::-1]]))
        gradients.append(gradient.numpy())
    for gradient in gradients[1:]:
        assert difference(gradient, gradients[0]) < RELATIVE_TO_LARGEST
