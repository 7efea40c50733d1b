import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_tf import errors
from nst_tf.losses import objective
from nst_tf.networks import adain
from tests import tolerances
from tests.reference import numpy_adain
from tests.tiny import tiny_adain, tiny_network

CLOSE = {"rtol": 1e-4, "atol": 2e-5}


@pytest.fixture(scope="module")
def network():
    return tiny_adain.network()


@pytest.fixture(scope="module")
def styles(network):
    return [network.style_moments(tiny_network.picture(12, 12, seed=seed)) for seed in (5, 6)]


def stacked(*moments):
    return adain.Moments(*(tf.concat(parts, 0) for parts in zip(*moments, strict=True)))


def test_the_result_has_the_moments_of_the_style():
    generator = np.random.default_rng(0)
    features = tf.constant(generator.normal(2, 3, [2, 9, 8, 5]), tf.float32)
    style = adain.Moments(tf.constant(generator.normal(size=[2, 5]), tf.float32), tf.fill([2, 5], 0.7))
    received = adain.moments(adain.adaptive_instance_normalisation(features, style))
    np.testing.assert_allclose(received.mean, style.mean, **CLOSE)
    np.testing.assert_allclose(received.deviation, style.deviation, **CLOSE)


def test_a_channel_that_does_not_vary_takes_the_mean_of_the_style():
    style = adain.Moments(tf.fill([1, 2], 0.3), tf.fill([1, 2], 5.0))
    received = adain.adaptive_instance_normalisation(tf.fill([1, 4, 4, 2], 7.0), style)
    np.testing.assert_allclose(received, np.full([1, 4, 4, 2], 0.3), atol=1e-3)


def test_a_batch_with_a_style_and_a_strength_each_is_what_the_pictures_give_alone(network, styles):
    batch = np.concatenate([tiny_network.picture(13, 10, seed=seed) for seed in (1, 2)])
    received = network.apply(batch, stacked(*styles), [0.4, 1.0])
    for index, (style, strength) in enumerate(zip(styles, (0.4, 1.0), strict=True)):
        alone = network.apply(batch[index : index + 1], style, strength)
        np.testing.assert_allclose(received[index], alone[0], **CLOSE)


def test_one_style_serves_a_whole_batch(network, styles):
    batch = np.concatenate([tiny_network.picture(13, 10, seed=seed) for seed in (1, 2)])
    received = network.apply(batch, styles[0])
    np.testing.assert_allclose(received, network.apply(batch, stacked(styles[0], styles[0])), **CLOSE)


def test_strength_zero_is_the_content_encoded_and_decoded(network, styles):
    content = tiny_network.picture(12, 16)
    expected = tf.clip_by_value(network.decode(network.encode(content)), 0, 1)
    np.testing.assert_allclose(network.apply(content, styles[0], 0.0), expected, **CLOSE)


def test_a_blend_of_moments_is_the_blend_of_normalised_features(network, styles):
    features = network.encode(tiny_network.picture(12, 16))
    received = adain.adaptive_instance_normalisation(features, adain.blend(styles, (3.0, 1.0)))
    parts = [adain.adaptive_instance_normalisation(features, style) for style in styles]
    np.testing.assert_allclose(received, 0.75 * parts[0] + 0.25 * parts[1], **CLOSE)


def test_each_region_is_normalised_by_itself(network, styles):
    content = tiny_network.picture(16, 24)
    masks = np.zeros([1, 16, 24, 2], np.float32)
    masks[:, :, :8, 0] = 1
    masks[:, :, 8:, 1] = 1
    features = numpy_adain.encode(content[0], tiny_adain.encoder_convolutions())
    for region, style in zip((features[:, :2], features[:, 2:]), styles, strict=True):
        mean, deviation = numpy_adain.moments(region)
        region[...] = (region - mean) / deviation * style.deviation[0] + style.mean[0]
    expected = numpy_adain.decode(features, tiny_adain.decoder_convolutions()).clip(0, 1)
    np.testing.assert_allclose(network.apply_regions(content, adain.together(styles), masks)[0], expected, **CLOSE)


def test_a_mask_over_everything_is_no_mask_and_an_empty_one_leaves_the_content(network, styles):
    content = tiny_network.picture(13, 18)
    everywhere, nowhere = np.ones([1, 13, 18, 1], np.float32), np.zeros([1, 13, 18, 1], np.float32)
    received = network.apply_regions(content, styles[0], everywhere, 0.6)
    np.testing.assert_allclose(received, network.apply(content, styles[0], 0.6), **CLOSE)
    received = network.apply_regions(content, styles[0], nowhere)
    np.testing.assert_allclose(received, network.apply(content, styles[0], 0.0), **CLOSE)


def test_overlapping_masks_are_shares(network, styles):
    content = tiny_network.picture(12, 16)
    masks = np.ones([1, 12, 16, 2], np.float32)
    received = network.apply_regions(content, adain.together(styles), masks)
    np.testing.assert_allclose(received, network.apply(content, adain.blend(styles)), **CLOSE)


def test_one_traced_graph_serves_every_size(network, styles):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def apply(images):
        traces.append(1)
        return network.apply(images, styles[0])

    for size in ((12, 16), (9, 21)):
        content = tiny_network.picture(*size)
        np.testing.assert_allclose(apply(content), network.apply(content, styles[0]), **CLOSE)
    assert len(traces) == 1
    assert apply.get_concrete_function().structured_outputs.shape.as_list() == [None, None, None, 3]


def test_a_saved_model_holds_the_network(network, styles, tmp_path):
    module = tf.Module()
    module.network = network

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3]), *[tf.TensorSpec([None, 8])] * 2])
    def apply(images, mean, deviation):
        return network.apply(images, adain.Moments(mean, deviation))

    tf.saved_model.save(module, tmp_path, signatures=apply)
    content = tiny_network.picture(9, 14)
    loaded = tf.saved_model.load(tmp_path).signatures["serving_default"]
    (received,) = loaded(images=tf.constant(content), mean=styles[0].mean, deviation=styles[0].deviation).values()
    np.testing.assert_allclose(received, network.apply(content, styles[0]), **CLOSE)


@pytest.mark.parametrize("convolution", ["winograd", "winograd-all"])
def test_winograds_form_gives_the_direct_forms_picture(convolution, network):
    other = tiny_adain.network(convolution=convolution)
    layers = [type(layer).__name__ for layer in (*other.encoder.layers, *other.decoder.layers)]
    assert layers.count("FrozenConvolution") == (6 if convolution == "winograd-all" else 4)
    content, style = tiny_network.picture(13, 18), tiny_network.picture(12, 12, seed=5)
    np.testing.assert_allclose(other(content, style), network(content, style), **CLOSE)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_inside_the_network(policy, network):
    low = tiny_adain.network(policy)
    content, style = tiny_network.picture(13, 18), tiny_network.picture(12, 12, seed=5)
    assert low.encoder(content).dtype == policy.removeprefix("mixed_")
    assert low.style_moments(style).mean.dtype == low.encode(content).dtype == tf.float32
    received = low(content, style)
    assert received.dtype == tf.float32
    allowed = 4 * tolerances.ABSOLUTE[policy.removeprefix("mixed_")]
    np.testing.assert_allclose(received, network(content, style), atol=allowed)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros([1, 12, 4, 3], np.float32), "at least 5 px for this network. Received: 4 x 12 px"),
        (np.zeros([12, 16, 3], np.float32), r"Received: float32 \(12, 16, 3\)"),
        (np.zeros([1, 12, 16, 4], np.float32), r"Received: float32 \(1, 12, 16, 4\)"),
        (np.zeros([1, 12, 16, 3], np.uint8), "Received: uint8"),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused_while_tracing(network, styles, images, words):
    with pytest.raises(errors.ImageError, match=words):
        tf.function(network.encode).get_concrete_function(tf.TensorSpec(images.shape, images.dtype))


def test_a_decoder_learns_from_the_objective_of_the_optimisation():
    network = tiny_adain.network()
    goal = objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config())
    content, style = tiny_network.picture(16, 16, seed=1), tiny_network.picture(12, 12, seed=2)
    targets = goal.targets(tf.constant(content), [tf.constant(style)])
    moments = network.style_moments(style)
    optimizer = keras.optimizers.Adam(0.003)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            stylised = network.decode(adain.adaptive_instance_normalisation(network.encode(content), moments))
            loss = goal.terms(stylised, targets).total[0]
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss, gradients

    first, gradients = step()
    assert all(np.isfinite(gradient).all() and np.any(gradient) for gradient in gradients)
    for _ in range(40):
        loss, _ = step()
    assert float(loss) < 0.9 * float(first)


def test_only_the_decoder_is_trainable(network):
    assert network.encoder.trainable_variables == []
    assert len(network.trainable_variables) == len(network.decoder.trainable_variables) == 8


def test_keras_own_settings_change_nothing(network, styles, odd_keras_settings):
    picture = tiny_network.picture(13, 10)
    received = tiny_adain.network().apply(picture, styles[0])
    np.testing.assert_array_equal(received, network.apply(picture, styles[0]))
