"""What the style terms beside the Gram matrices are in an objective: tiles, batches, blends, bad cases, whole runs."""

import json

import numpy as np
import pytest
import tensorflow as tf

import nst_tf
from nst_tf import configs, errors
from nst_tf.losses import moments, objective, patches, tiled_objective, wasserstein
from nst_tf.pictures import turned
from tests import tolerances
from tests.tiny import tiny_network

ALL = ("gram", "mrf", "w2", "moments")
STATISTICS = ("gram", "w2", "moments")


def config(*terms, **settings):
    return tiny_network.config(style_terms=terms, mrf_layers=("conv2_1",), **settings)


def goal(*terms, **settings):
    return objective.Objective(extractor=tiny_network.TinyNetwork(), config=config(*terms, **settings))


def tensors(*sizes, dtype=np.float64):
    return [tf.constant(tiny_network.picture(*size, seed=seed, dtype=dtype)) for seed, size in enumerate(sizes)]


def noise(*shape, seed=0):
    return tf.constant(np.maximum(np.random.default_rng(seed).normal(0.5, 1, shape), 0))


@pytest.mark.parametrize("term", ["mrf", "w2", "moments"])
def test_the_style_picture_is_at_no_distance_from_itself(term):
    content, style = tensors((24, 28), (24, 28))
    aim = goal(term)
    np.testing.assert_allclose(aim.terms(style, aim.targets(content, [style])).values[term], [0], atol=1e-12)


def test_each_term_has_its_name_and_its_weight():
    content, style, image = tensors((12, 16), (14, 12), (12, 16))
    aim = goal(*ALL, style_weight=10.0, style_term_weights=(1.0, 0.5, 2.0, 3.0))
    found = aim.terms(image, aim.targets(content, [style]))
    assert list(found.values) == ["content", "style", "mrf", "w2", "moments", "total_variation"]
    for name, weight in (("style", 10.0), ("mrf", 5.0), ("w2", 20.0), ("moments", 30.0)):
        parts = [part for key, part in found.parts.items() if key.startswith(f"{name}/")]
        np.testing.assert_allclose(found.values[name], weight * np.mean(parts, axis=0), **tolerances.of("float64"))


def test_the_gram_matrices_alone_are_what_no_flag_gives():
    plain = objective.terms_of(tiny_network.config())
    assert [(type(term), term.weight) for term in objective.terms_of(config("gram"))] == [
        (type(term), term.weight) for term in plain
    ]


def test_tiles_give_the_statistics_and_the_gradient_of_the_whole():
    content, style, image = tensors((24, 36), (20, 12), (24, 36))
    whole = goal(*STATISTICS)
    tiled = tiled_objective.TiledObjective(
        extractor=whole.extractor, config=whole.config, tile_height_px=8, tile_width_px=12
    )
    (expected, gradient), (found, tiled_gradient) = (
        aim.terms_and_gradient(image, aim.targets(content, [style])) for aim in (whole, tiled)
    )
    for name, value in expected.named().items():
        np.testing.assert_allclose(found.named()[name], value, **tolerances.of("float64"))
    np.testing.assert_allclose(tiled_gradient, gradient, atol=1e-10 * np.abs(gradient).max())


def test_patches_in_tiles_are_refused_with_the_reason():
    with pytest.raises(errors.ConfigError, match="mrf cannot be computed in tiles: patches are matched over the whole"):
        tiled_objective.TiledObjective(
            extractor=tiny_network.TinyNetwork(), config=config("mrf"), tile_height_px=8, tile_width_px=8
        )


def test_patches_that_do_not_fit_into_memory_are_refused_with_the_reason():
    picture = np.zeros([1, 2048, 2048, 3], np.float32)
    settings = config("mrf", max_side_px=2048, memory_budget_mb=1100, optimizer="adam")
    with pytest.raises(errors.MemoryBudgetError, match="since mrf matches patches over the whole picture"):
        nst_tf.StyleTransfer(settings, extractor=tiny_network.TinyNetwork())(picture, picture[:, :64, :64])


def test_a_batch_gives_each_image_its_own_terms():
    content, style, image = tensors((12, 16), (12, 16), (12, 16))
    aim = goal("mrf", "w2", "moments")
    targets = aim.targets(content, [style])
    both = aim.terms(tf.concat([image, content], 0), targets)
    for name in ("mrf", "w2", "moments"):
        alone = [aim.terms(each, targets).values[name][0] for each in (image, content)]
        np.testing.assert_allclose(both.values[name], alone, **tolerances.of("float64"))


FEW_POSITIONS = {"black": np.zeros([1, 4, 4, 6]), "one": np.ones([1, 1, 1, 6]), "four": noise(1, 2, 2, 6).numpy()}


@pytest.mark.parametrize("picture", FEW_POSITIONS)
@pytest.mark.parametrize("style", FEW_POSITIONS)
def test_singular_covariances_have_finite_gradients(picture, style):
    f, s = (tf.constant(FEW_POSITIONS[name], tf.float32) for name in (picture, style))
    mean = moments.MomentsTerm(weight=1.0, layers=(), layer_weights=()).measure
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(f)
        law = wasserstein.normal_of(wasserstein.second_moments(s))
        losses = [
            wasserstein.wasserstein_loss(wasserstein.second_moments(f), law),
            moments.moments_loss(mean(f), mean(s)),
        ]
    for loss in losses:
        assert np.isfinite(loss).all()
        assert np.isfinite(tape.gradient(loss, f)).all()


def test_a_blend_is_the_mixture_of_the_styles():
    """Two styles of one size, half and half, are one style with the pixels of both."""
    first, second = noise(1, 4, 5, 3), noise(1, 4, 5, 3, seed=1)
    both = tf.concat([first, second], 1)
    for term in (wasserstein.WassersteinTerm, moments.MomentsTerm):
        term = term(weight=1.0, layers=(), layer_weights=())
        blend = term.blended([term.measure(first), term.measure(second)], [0.5, 0.5])
        for found, expected in zip(
            tf.nest.flatten(blend), tf.nest.flatten(term.blended([term.measure(both)], [1.0])), strict=True
        ):
            np.testing.assert_allclose(found, expected, **tolerances.of("float64"))


def test_patches_of_several_styles_are_one_collection():
    f, first, second = noise(1, 6, 7, 3), noise(1, 5, 8, 3, seed=1), noise(1, 6, 4, 3, seed=2)
    own, other, both = (
        patches.joined([patches.patches_of(style, 2) for style in styles])
        for styles in ([first], [second], [first, second])
    )
    chosen = patches.nearest(f, both, 2).numpy().ravel()
    found = tf.gather(both.rows, tf.gather(both.index, chosen))
    best = np.maximum(*(correlation(f, each) for each in (own, other)))
    entries = tf.reshape(tf.image.extract_patches(f, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"), [-1, 9, 3])
    norms = np.sqrt(np.sum(np.square(found), (1, 2)))
    np.testing.assert_allclose(np.sum(entries * found, (1, 2)) / norms, best, **tolerances.of("float64"))


def correlation(f, style):
    """The largest of each patch of a map, divided by the norm of the style's patch."""
    entries = tf.image.extract_patches(f, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    bank = tf.reshape(tf.gather(style.rows, style.index), [tf.shape(style.index)[0], -1])
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    return np.max(np.reshape(entries, [-1, bank.shape[1]]) @ np.transpose(bank), axis=1)


def test_chunks_do_not_change_the_matches(monkeypatch):
    f, style = noise(2, 9, 8, 3), patches.patches_of(noise(1, 12, 11, 3, seed=1), 1)
    expected = patches.nearest(f, style, 1)
    monkeypatch.setattr(patches, "CHUNK_BYTES", 8 * 7 * (2 * 7 * 6 + 2 * 27))  # seven patches at once
    np.testing.assert_array_equal(patches.nearest(f, style, 1), expected)


def test_a_style_of_one_flat_colour_has_patches():
    found = patches.patch_loss(noise(1, 5, 5, 3), patches.patches_of(tf.zeros([1, 4, 4, 3], tf.float64), 1), 1, "mean")
    assert np.isfinite(found).all()


def test_views_turn_and_scale_the_style_and_leave_out_what_is_too_small():
    term = patches.MrfTerm(weight=1.0, layers=("conv4_1",), stride=1, rotation_steps=2, scale_steps=1, form="mean")
    large, small = (tf.constant(tiny_network.picture(side, side)) for side in (64, 24))
    assert len(term.views(large)) == 5 * 3 - 1  # beside itself
    assert [view.shape[1] for view in term.views(small)] == [25]


def test_a_turned_picture_has_no_corner_from_outside():
    for height, width in ((40, 60), (60, 40), (20, 200), (200, 20), (33, 33)):
        for degrees in (-45, -15, 7.5, 30, 80):
            result = turned.turned(np.full([1, height, width, 3], 0.8, np.float32), degrees)
            assert min(result.shape[1:3]) >= 1
            np.testing.assert_allclose(result, 0.8, atol=1e-4)


def test_a_turn_goes_counterclockwise():
    picture = np.zeros([1, 41, 41, 3], np.float32)
    picture[:, 18:23, 30:] = 1  # right of the middle
    (result,) = turned.turned(picture, 30)
    assert result[: len(result) // 2].mean() > 4 * result[len(result) // 2 + 2 :].mean()


CONTENT, STYLE = tiny_network.picture(28, 36, seed=1), tiny_network.picture(26, 24, seed=2)
RUN = {"steps": 5, "lbfgs_memory": 3, "mrf_rotation_steps": 1}


@pytest.fixture(scope="module")
def engine():
    return nst_tf.StyleTransfer(config(*ALL, **RUN), extractor=tiny_network.TinyNetwork())


def run(engine, **kwargs):
    return engine(CONTENT, STYLE, on_message=lambda message: None, **kwargs)


def test_a_resumed_run_with_every_term_ends_as_an_unbroken_one(engine, tmp_path):
    def stop(report):
        if report.step >= 2:
            raise nst_tf.StopStylizing

    whole = run(engine)
    run(engine, checkpoints=nst_tf.Checkpoints(tmp_path, interval_s=0), on_report=stop)
    resumed = run(engine, checkpoints=nst_tf.Checkpoints(tmp_path, resume=True))
    assert resumed.resumed_after_steps
    for name in ("style", "mrf", "w2", "moments"):
        np.testing.assert_array_equal(resumed.losses[name], whole.losses[name])
        assert whole.losses[name][-1] < whole.losses[name][0]
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_the_record_shows_every_term(engine, tmp_path):
    run(engine).save(tmp_path / "out.png")
    record = json.loads((tmp_path / "out.png.json").read_text())
    assert record["config"]["style_terms"] == list(ALL)
    for name in ("style", "mrf", "w2", "moments", "mrf/conv2_1", "w2/conv1_1"):
        assert len(record["losses"][name]) == 5


def test_another_setting_is_another_run(engine, tmp_path):
    def stop(report):
        raise nst_tf.StopStylizing

    run(engine, checkpoints=nst_tf.Checkpoints(tmp_path, interval_s=0), on_report=stop)
    other = nst_tf.StyleTransfer(config(*ALL, **RUN, mrf_stride=1), extractor=tiny_network.TinyNetwork())
    with pytest.raises(errors.CheckpointError, match="mrf_stride 1, started with 2"):
        run(other, checkpoints=nst_tf.Checkpoints(tmp_path, resume=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"style_terms": ("gramm",)}, "some of gram, mrf, w2, moments, each once. Received: gramm"),
        ({"style_terms": ("w2", "w2")}, "each once. Received: w2, w2"),
        ({"style_terms": ()}, "each once. Received: none"),
        ({"style_terms": ("w2",), "style_term_weights": (1.0, 2.0)}, "one weight for each of the 1 style terms"),
        ({"style_terms": ("mrf",), "style_blend": (0.5, 0.5)}, "style_blend has no meaning"),
        ({"style_terms": ("gram", "mrf"), "strength": 0.5}, "strength must be 1"),
        ({"style_terms": ("mrf",), "mrf_layers": ()}, "mrf_layers must name at least one"),
        ({"style_terms": ("mrf",), "mrf_form": "sum"}, "mrf_form must be one of mean, patch-sum, position-sum"),
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_refused(settings, words):
    with pytest.raises(errors.ConfigError, match=words):
        configs.preset("default", **settings)


def test_patches_tap_their_own_layers():
    found = configs.preset("default", style_terms=("mrf",))
    assert found.layers == ("conv3_1", "conv4_1", "conv4_2")
    assert (found.style_side_px, found.side_px) == (24, 24)
    assert configs.preset("default").style_side_px == 16


def test_a_picture_too_small_for_a_patch_is_refused():
    picture = np.zeros([1, 20, 40, 3], np.float32)
    with pytest.raises(errors.ImageError, match=r"at least 24 px for patches of conv4_1\. Received: 40 x 20 px"):
        nst_tf.stylize(picture, picture, configs.preset("default", style_terms=("mrf",)))
