import numpy as np
import pytest
import tensorflow as tf

from nst_tf.losses import gatys, objective
from tests import tolerances
from tests.tiny import tiny_network


def goal(**settings):
    return objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config(**settings))


def tensors(count=3, **kwargs):
    return [tf.constant(tiny_network.picture(seed=seed, **kwargs)) for seed in range(count)]


def test_the_content_image_has_no_content_loss():
    content, style = tensors(2)
    aim = goal()
    assert float(aim.terms(content, aim.targets(content, [style])).values["content"][0]) == 0


def test_the_style_image_has_no_style_loss():
    content, style = tensors(2)
    aim = goal()
    np.testing.assert_allclose(aim.terms(style, aim.targets(content, [style])).values["style"], [0], atol=1e-6)


def test_a_style_of_another_size_serves():
    content, image = tensors(2)
    style = tf.constant(tiny_network.picture(20, 9, seed=5))
    aim = goal()
    assert np.isfinite(aim.terms(image, aim.targets(content, [style])).total.numpy()).all()


def test_a_batch_gives_each_image_its_own_terms():
    content, style, image = tensors()
    aim = goal()
    targets = aim.targets(content, [style])
    both = aim.terms(tf.concat([image, style], 0), targets).total
    alone = tf.concat([aim.terms(image, targets).total, aim.terms(style, targets).total], 0)
    np.testing.assert_allclose(both, alone, **tolerances.of("float32"))


def test_several_styles_blend_as_their_mean_gram_matrix():
    content, first, second = tensors()
    targets = goal(style_blend=(3.0, 1.0)).targets(content, [first, second])
    network = tiny_network.TinyNetwork()
    first_gram, second_gram = (gatys.gram_matrix(network(style)["conv2_1"]) for style in (first, second))
    expected = 0.75 * first_gram + 0.25 * second_gram
    np.testing.assert_allclose(targets["style"]["conv2_1"], expected, **tolerances.of("float32"))


def test_blended_targets_have_the_gradient_of_the_blended_losses():
    content, first, second = tensors(3, dtype=np.float64)
    image = tf.constant(tiny_network.picture(seed=9, dtype=np.float64))
    aim = goal(style_blend=(0.7, 0.3))
    _, blended = aim.terms_and_gradient(image, aim.targets(content, [first, second]))
    alone = goal()
    _, towards_first = alone.terms_and_gradient(image, alone.targets(content, [first]))
    _, towards_second = alone.terms_and_gradient(image, alone.targets(content, [second]))
    np.testing.assert_allclose(blended, 0.7 * towards_first + 0.3 * towards_second, **tolerances.of("float64"))


def test_below_full_strength_the_target_lies_between_the_content_and_the_style():
    content, style = tensors(2)
    targets = goal(strength=0.3).targets(content, [style])
    network = tiny_network.TinyNetwork()
    own, aim = (gatys.gram_matrix(network(image)["conv2_1"]) for image in (content, style))
    np.testing.assert_allclose(targets["style"]["conv2_1"], 0.7 * own + 0.3 * aim, **tolerances.of("float32"))


def test_at_strength_0_nothing_pulls_the_content_anywhere():
    content, style = tensors(2)
    aim = goal(strength=0.0, total_variation_weight=10.0)
    terms, gradient = aim.terms_and_gradient(content, aim.targets(content, [style]))
    assert float(terms.total[0]) == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(content))


def test_a_blend_of_another_length_is_refused():
    content, style, _ = tensors()
    with pytest.raises(ValueError, match="zip"):
        goal(style_blend=(0.5, 0.5)).targets(content, [style])


def test_without_style_layers_there_is_no_style_term():
    content, style, image = tensors()
    aim = goal(style_layers=())
    terms = aim.terms(image, aim.targets(content, [style]))
    assert float(terms.values["style"][0]) == 0
    assert not any(name.startswith("style/") for name in terms.parts)
    np.testing.assert_allclose(terms.total, terms.values["content"])


def test_features_of_low_precision_are_cast_before_the_gram_matrix():
    def extractor(image):
        return {"conv1_1": tf.cast(image, tf.float16) * 300}  # its Gram matrix would overflow in float16

    aim = objective.Objective(
        extractor=extractor, config=tiny_network.config(style_layers=("conv1_1",), content_layers=())
    )
    content, style = tensors(2)
    targets = aim.targets(content, [style])
    assert targets["style"]["conv1_1"].dtype == tf.float32
    assert np.isfinite(targets["style"]["conv1_1"]).all()


def test_the_loss_scale_leaves_the_gradient_as_it_is():
    content, style, image = tensors()
    aim = goal()
    targets = aim.targets(content, [style])
    _, plain = aim.terms_and_gradient(image, targets)
    _, scaled = aim.terms_and_gradient(image, targets, 2.0**20)
    np.testing.assert_allclose(scaled, plain, **tolerances.of("float32"))


def test_the_terms_against_faults_go_down_with_the_strength():
    content, style, image = [tf.constant(tiny_network.picture(32, 42, seed=seed)) for seed in range(3)]
    image = image[:, :, 3:-3]
    noisy = image + tf.random.stateless_uniform(image.shape, [0, 1], 0, 0.2)
    noisy = tf.pad(noisy, [[0, 0], [3, 3], [3, 3], [0, 0]], constant_values=2.0)[:, 3:-3]  # a frame left and right
    weights = {"specks_weight": 9.0, "frame_weight": 7.0, "crosshatch_weight": 5.0}
    full, half, none = (goal(**weights, strength=strength) for strength in (1.0, 0.5, 0.0))
    values = [aim.terms(noisy, aim.targets(content, [style])).values for aim in (full, half)]
    for name in ("specks", "frame", "crosshatch"):
        assert float(values[0][name][0]) > 0
        np.testing.assert_allclose(values[0][name], 2 * values[1][name], **tolerances.of("float32"))
        assert name not in none.names


def test_the_matting_term_is_added_where_it_has_a_weight():
    content, style, image = tensors()
    without, aim = goal(), goal(photorealism_weight=100.0)
    assert "photorealism" not in without.names
    terms = aim.terms(image, aim.targets(content, [style]))
    assert float(terms.values["photorealism"][0]) > 0
    expected = without.terms(image, without.targets(content, [style])).total + terms.values["photorealism"]
    np.testing.assert_allclose(terms.total, expected, **tolerances.of("float32"))
