import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, pipelines
from nst_tf.networks import adain
from nst_tf.pipelines import augment as drawing
from tests import tolerances
from tests.tiny import tiny_adain, tiny_network

CLOSE = {"rtol": 1e-4, "atol": 2e-5}
COUNT = 12


@pytest.fixture(scope="module")
def network():
    return tiny_adain.network()


@pytest.fixture(scope="module")
def styles():
    return [tiny_network.picture(12, 12 + seed, seed=seed) for seed in (5, 6, 7)]


@pytest.fixture(scope="module")
def pictures():
    return np.concatenate([tiny_network.picture(13, 18, seed=seed) for seed in range(COUNT)])


@pytest.fixture(scope="module")
def augment(network, styles):
    return pipelines.StyleAugment(styles, config(probability=0.5, strength=(0.2, 1.0)), network=network)


def config(**settings):
    return configs.StyleAugmentConfig(**settings)


def pairs(count=COUNT):
    """The seeds that numbers from 0 stand for under config.seed = 0."""
    return np.stack([np.zeros(count, np.int64), np.arange(count)], axis=1)


def unchanged(results, pictures):
    return np.array([np.array_equal(result, picture) for result, picture in zip(results, pictures, strict=True)])


def test_certain_full_strength_is_the_network_itself(network, styles, pictures):
    certain = pipelines.StyleAugment(styles[:1], config(probability=1), network=network)
    expected = network.apply(pictures, network.style_moments(styles[0]))
    np.testing.assert_allclose(certain(pictures, seed=3), expected, **CLOSE)


def test_each_style_and_strength_that_was_drawn_is_applied_to_its_picture(network, styles, pictures):
    certain = pipelines.StyleAugment(styles, config(probability=1, strength=(0.2, 0.9)), network=network)
    results = certain(pictures, seed=pairs())
    draws = drawing._draws(tf.constant(pairs())).numpy()
    used = set()
    for result, picture, (_, strength, style) in zip(results, pictures, draws, strict=True):
        used.add(int(style * 3))
        moments = network.style_moments(styles[int(style * 3)])
        expected = network.apply(picture[np.newaxis], moments, 0.2 + 0.7 * strength)[0]
        np.testing.assert_allclose(result, expected, **CLOSE)
    assert used == {0, 1, 2}
    assert len({round(float(strength), 4) for strength in draws[:, 1]}) == COUNT


def test_pictures_that_were_not_drawn_are_unchanged_to_the_bit(augment, pictures):
    kept = unchanged(augment(pictures, seed=pairs()), pictures)
    assert 2 <= kept.sum() <= COUNT - 2


@pytest.mark.parametrize(("probability", "kept"), [(0, True), (1, False)])
def test_the_ends_of_probability_are_none_and_all(network, styles, pictures, probability, kept):
    layer = pipelines.StyleAugment(styles, config(probability=probability), network=network)
    assert (unchanged(layer(pictures, seed=pairs()), pictures) == kept).all()


def test_probability_is_the_share_of_pictures():
    share = (drawing._draws(tf.constant(pairs(2000))).numpy()[:, 0] < 0.5).mean()
    assert abs(share - 0.5) < 0.05  # four deviations


def test_before_batching_in_batches_and_in_parallel_the_same_seeds_give_the_same_pictures(augment, pictures):
    expected = augment(pictures, seed=pairs())
    dataset = tf.data.Dataset.from_tensor_slices(pictures)
    single = dataset.enumerate().map(lambda n, image: augment(image, seed=n), num_parallel_calls=tf.data.AUTOTUNE)
    np.testing.assert_allclose(np.stack(list(single.as_numpy_iterator())), expected, **CLOSE)
    both = tf.data.Dataset.zip(dataset, tf.data.Dataset.from_tensor_slices(pairs())).batch(5)
    batches = both.map(lambda images, seeds: augment(images, seed=seeds), num_parallel_calls=tf.data.AUTOTUNE)
    np.testing.assert_allclose(np.concatenate(list(batches.as_numpy_iterator())), expected, **CLOSE)


@pytest.mark.parametrize(
    "seeds", [tf.data.Dataset.counter(), tf.data.Dataset.random(seed=7).batch(2)], ids=["counter", "random"]
)
def test_seeds_that_run_on_over_the_epochs_give_a_run_again_and_each_epoch_other_pictures(augment, pictures, seeds):
    images = tf.data.Dataset.from_tensors(pictures).repeat(2)
    dataset = tf.data.Dataset.zip(images, seeds).map(lambda images, seed: augment(images, seed=seed))
    first, second = dataset.as_numpy_iterator()
    again, _ = dataset.as_numpy_iterator()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_one_seed_for_a_batch_gives_each_picture_its_own_draw(augment, pictures):
    same = np.repeat(pictures[:1], COUNT, axis=0)
    results = augment(same, seed=1).numpy()
    assert len({result.tobytes() for result in results}) > 4


def test_another_seed_of_the_settings_gives_other_pictures(network, styles, augment, pictures):
    other = pipelines.StyleAugment(styles, config(strength=(0.2, 1.0), seed=1), network=network)
    assert not np.array_equal(other(pictures, seed=3), augment(pictures, seed=3))


def test_pictures_of_any_size_share_one_trace(augment):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([], tf.int64)])
    def apply(image, number):
        traces.append(1)
        return augment(image, seed=number)

    for size in ((12, 16), (9, 21)):
        assert apply(tiny_network.picture(*size)[0], 3).shape == (*size, 3)
    assert len(traces) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 5 px"):
        apply(tiny_network.picture(4, 12)[0], 3)


def test_an_empty_last_batch_stays_empty(augment):
    assert augment(tf.zeros([0, 12, 16, 3]), seed=1).shape == (0, 12, 16, 3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_the_type_of_the_images_is_kept(augment, pictures, dtype):
    images = tf.cast(pictures, dtype)
    result = augment(images, seed=3)
    assert result.dtype == dtype
    expected = augment(tf.cast(images, tf.float32), seed=3)
    allowed = tolerances.ABSOLUTE.get(dtype, 1e-5)
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected, atol=allowed)


def test_a_network_in_low_precision_and_a_global_policy_leave_images_float32(styles, augment, pictures):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = pipelines.StyleAugment(styles, augment.config, network=tiny_adain.network("mixed_bfloat16"))
        result = layer(pictures, seed=3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, augment(pictures, seed=3), atol=4 * tolerances.ABSOLUTE["bfloat16"])


def test_inside_a_model_it_acts_in_training_only_and_has_nothing_to_train(augment, pictures):
    model = keras.Sequential([keras.Input([13, 18, 3]), augment])
    assert model.trainable_variables == []
    np.testing.assert_array_equal(model(pictures, training=False), pictures)
    first, second = model(pictures, training=True), model(pictures, training=True)
    assert not np.array_equal(first, pictures)
    assert not np.array_equal(first, second)


def test_an_exported_model_serves_what_predict_gives_and_carries_no_network(augment, pictures, tmp_path):
    model = keras.Sequential([keras.Input([13, 18, 3]), augment, keras.layers.GlobalAveragePooling2D()])
    expected = model.predict(pictures, verbose=0)
    np.testing.assert_array_equal(model(pictures), expected)
    model.export(tmp_path / "served", verbose=False)
    np.testing.assert_allclose(tf.saved_model.load(tmp_path / "served").serve(pictures), expected, rtol=1e-6)
    (values,) = (tmp_path / "served" / "variables").glob("*.data-*")
    assert values.stat().st_size < sum(weight.numpy().nbytes for weight in augment.network.weights)
    assert "kernel" not in " ".join(name for name, _ in tf.train.list_variables(str(values.with_name("variables"))))


def test_an_exported_model_that_stylises_carries_its_network(augment, pictures, tmp_path):
    archive = keras.export.ExportArchive()
    archive.track(augment)
    signature = [tf.TensorSpec([None, 13, 18, 3]), tf.TensorSpec([None, 2], tf.int64)]
    archive.add_endpoint("serve", lambda images, seed: augment(images, seed=seed), signature)
    archive.write_out(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(loaded.serve(pictures, pairs()), augment(pictures, seed=pairs()), **CLOSE)


@pytest.mark.slow  # a foreign converter; an exported model has no network either
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # Keras 3.15 with NumPy 2.4
def test_a_model_in_onnx_has_no_random_operation(augment, pictures, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    model = keras.Sequential([keras.Input([13, 18, 3]), augment, keras.layers.GlobalAveragePooling2D()])
    expected = model.predict(pictures, verbose=0)
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    assert {node.op_type for node in onnx.load(path).graph.node} <= {"Identity", "GlobalAveragePool", "ReduceMean"}
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (received,) = session.run(None, {session.get_inputs()[0].name: pictures})
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_without_a_seed_and_outside_a_model_it_warns_and_leaves_pictures_alone(augment, pictures):
    dataset = tf.data.Dataset.from_tensors(pictures)
    with pytest.warns(UserWarning, match="neither a seed nor training=True"):
        dataset = dataset.map(lambda images: augment(images))  # as users write it
    np.testing.assert_array_equal(next(iter(dataset)), pictures)
    assert not np.array_equal(augment(pictures, training=True), pictures)


def test_a_clone_takes_the_weights_of_its_model(augment, pictures):
    model = keras.Sequential([keras.Input([13, 18, 3]), augment])
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.layers[0](pictures, seed=3), augment(pictures, seed=3))


def test_a_model_with_it_trains(augment, pictures):
    model = keras.Sequential(
        [keras.Input([13, 18, 3]), augment, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    )
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [weight.numpy() for weight in augment.weights if "seed" not in weight.path]
    model.fit(pictures, np.arange(COUNT) % 2, batch_size=4, epochs=1, verbose=0)
    after = [weight.numpy() for weight in augment.weights if "seed" not in weight.path]
    assert len(model.trainable_variables) == 2
    for was, is_now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, is_now)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 with NumPy 2.4
def test_a_saved_model_loads_with_its_network_styles_and_settings(augment, pictures, tmp_path):
    image, seed = keras.Input([None, None, 3]), keras.Input([2], dtype="int32")
    model = keras.Model([image, seed], augment(image, seed=seed))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded([pictures, pairs()]), augment(pictures, seed=pairs()))
    layer = next(layer for layer in loaded.layers if isinstance(layer, pipelines.StyleAugment))
    assert layer.config == augment.config
    assert layer.trainable_variables == []


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros([12, 16, 3], np.uint8), r"Received: uint8 \(12, 16, 3\). Divide 0-255 integers by 255"),
        (np.zeros([12, 16], np.float32), r"Received: float32 \(12, 16\)"),
        (np.zeros([2, 12, 16, 4], np.float32), r"Received: float32 \(2, 12, 16, 4\). Drop the alpha"),
        (np.zeros([2, 12, 16, 1], np.float32), r"Received: float32 \(2, 12, 16, 1\)"),
        (np.zeros([2, 4, 16, 3], np.float32), "at least 5 px. Received: 16 x 4 px"),
        (tf.RaggedTensor.from_tensor(tf.zeros([2, 12, 16, 3])), "of one size in a batch. Received: a RaggedTensor"),
    ],
)
def test_images_of_another_form_are_refused_while_tracing(augment, images, words):
    with pytest.raises(errors.ImageError, match=words):
        tf.data.Dataset.from_tensors(images).map(lambda image: augment(image, seed=1))


def test_images_of_unknown_rank_are_refused_while_tracing(augment):
    with pytest.raises(errors.ImageError, match="set_shape"):
        tf.function(augment, input_signature=[tf.TensorSpec(None)]).get_concrete_function()


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "nan"), (np.inf, "inf"), (200.0, r"\[0\] \[to\] \[200\]"), (-0.1, "-0.1")]
)
def test_values_outside_the_range_and_nan_stop_the_pipeline(augment, value, words):
    image = np.zeros([12, 16, 3], np.float32)
    image[3, 4, 1] = value
    dataset = tf.data.Dataset.from_tensors(image).map(lambda image: augment(image, seed=1))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"takes values in \[0, 1\], none of them NaN.*" + words):
        list(dataset)


@pytest.mark.parametrize(
    ("images", "seed", "words"),
    [
        (np.zeros([2, 12, 16, 3], np.float32), 0.5, "pairs .B, 2.. Received: float32"),
        (np.zeros([2, 12, 16, 3], np.float32), [1, 2, 3], r"Received: int32 \(3,\)"),
        (np.zeros([12, 16, 3], np.float32), [[1, 2]], r"or a pair \[2\]. Received: int32 \(1, 2\)"),
    ],
)
def test_seeds_of_another_form_are_refused(augment, images, seed, words):
    with pytest.raises(errors.ConfigError, match=words):
        augment(images, seed=seed)


@pytest.mark.parametrize(
    ("styles", "words"),
    [
        ([], "at least one picture"),
        ("sample:turner", "must be a list or tuple"),
        ([np.zeros([0, 12, 3], np.float32)], "style 0: an image must have pixels"),
        ([np.zeros([12, 4, 3], np.float32)], "at least 9 px for AdaIN"),
        (["missing.jpg"], "missing.jpg"),
    ],
)
def test_styles_that_do_not_serve_are_refused(network, styles, words):
    with pytest.raises(errors.ImageError, match=words):
        pipelines.StyleAugment(styles, network=network)


@pytest.mark.parametrize("settings", [{"strength": (0.9, 0.1)}, {"strength": (1.0,)}, {"probability": 1.5}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(errors.ConfigError, match="Received"):
        config(**settings)


def test_styles_may_be_moments_computed_before(network, styles, augment, pictures):
    moments = [network.style_moments(style) for style in styles]
    stacked = adain.Moments(*(tf.concat(parts, 0) for parts in zip(*moments, strict=True)))
    layer = pipelines.StyleAugment(stacked, augment.config, network=network)
    np.testing.assert_allclose(layer(pictures, seed=3), augment(pictures, seed=3), **CLOSE)
