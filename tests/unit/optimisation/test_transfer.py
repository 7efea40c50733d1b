import dataclasses
import functools
import json
import re

import numpy as np
import pytest
import tensorflow as tf

import nst_tf
from nst_tf import configs, errors, precision, results
from nst_tf.losses import objective, on_vgg19
from nst_tf.optimisation import stages, transfer
from nst_tf.pictures import colours, guided_filter, images, inputs
from tests import tolerances
from tests.tiny import tiny_network, tiny_vgg

NUMBERS = {
    "total", "content", "style", "total_variation", "gradient_norm",
    "content/conv2_2", "style/conv1_1", "style/conv2_1",
}  # fmt: skip


def stylize(content=None, style=None, *, on_report=None, on_message=None, adjustable=False, **settings):
    content = tiny_network.picture(20, 24, seed=1) if content is None else content
    style = tiny_network.picture(18, 30, seed=2) if style is None else style
    return tiny_network.stylize(
        content,
        style,
        tiny_network.config(**({"steps": 5} | settings)),
        adjustable=adjustable,
        on_report=on_report,
        on_message=on_message or (lambda message: None),
    )


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_objective_falls_and_the_image_is_in_range(optimizer):
    result = stylize(optimizer=optimizer, steps=30)
    assert result.best_loss < 0.5 * result.losses["total"][0]
    assert result.image.shape == (1, 20, 24, 3)
    assert result.image.dtype == np.float32
    assert result.image.min() >= 0
    assert result.image.max() <= 1


def test_the_result_is_the_image_of_the_best_loss():
    result = stylize(steps=12)
    aim = objective.Objective(extractor=tiny_network.TinyNetwork(), config=result.config)
    content, style = (tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2))
    style = images.resize(style, *images.fit(18, 30, 24))
    terms = aim.terms(tf.constant(result.image), aim.targets(tf.constant(content), [tf.constant(style)]))
    np.testing.assert_allclose(terms.total, [result.best_loss], rtol=1e-4)
    assert result.best_loss == min(result.losses["total"])


def test_the_history_has_every_step_and_every_layer():
    result = stylize(steps=7)
    assert set(result.losses) == NUMBERS
    assert {len(values) for values in result.losses.values()} == {7}
    parts = result.losses["content"] + result.losses["style"] + result.losses["total_variation"]
    np.testing.assert_allclose(result.losses["total"], parts, **tolerances.of("float32"))


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x,
        lambda x: x[0],
        lambda x: tf.constant(x),
        lambda x: tf.constant(x[0]),
        lambda x: np.round(x * 255).astype(np.uint8),
    ],
    ids=["batch", "picture", "tensor", "picture tensor", "bytes"],
)
def test_pictures_come_as_arrays_and_tensors(convert):
    expected = stylize().image
    result = stylize(convert(tiny_network.picture(20, 24, seed=1)), convert(tiny_network.picture(18, 30, seed=2)))
    np.testing.assert_allclose(result.image, expected, atol=0.05)
    assert np.mean(np.abs(result.image - expected)) < 0.5 / 255


def test_pictures_come_as_paths(tmp_path):
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    images.save(content, tiny_network.picture(20, 24, seed=1))
    images.save(style, tiny_network.picture(18, 30, seed=2))
    result = stylize(content, str(style))
    assert [entry["name"] for entry in result.inputs] == [str(content), str(style)]
    assert all(len(entry["sha256"]) == 64 for entry in result.inputs)


def test_samples_are_named_by_their_prefix():
    result = stylize("sample:launch-pad", "sample:turner", max_side_px=32, steps=2)
    assert max(result.image.shape) == 32
    assert result.inputs[0]["name"] == "sample:launch-pad"


def test_a_small_picture_is_never_enlarged():
    assert stylize(max_side_px=1000, style_max_side_px=1000, steps=1).inputs[1]["width_px"] == 30
    assert stylize(max_side_px=1000, steps=1).image.shape == (1, 20, 24, 3)


def test_the_style_is_read_at_the_contents_size_unless_told_otherwise():
    assert stylize(steps=1).inputs[1]["width_px"] == 24
    assert stylize(steps=1, style_max_side_px=16).inputs[1]["width_px"] == 16


def test_several_styles_are_blended_by_their_shares():
    first, second = tiny_network.picture(seed=3), tiny_network.picture(seed=4)
    only_first = stylize(style=first).image
    np.testing.assert_allclose(stylize(style=[first, second], style_blend=(1.0, 0.0)).image, only_first, atol=1e-5)
    assert not np.allclose(stylize(style=[first, second]).image, only_first, atol=1e-2)


def start_of(**settings):
    config = tiny_network.config(**settings)
    pictures = inputs.read(tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2), config)
    return stages.start_image(config, pictures, 20, 24).numpy()


def test_the_start_is_the_content_picture():
    np.testing.assert_array_equal(start_of(), tiny_network.picture(20, 24, seed=1))


def test_the_start_may_be_the_style_picture():
    start = start_of(initialisation="style")
    expected = images.resize(tiny_network.picture(18, 30, seed=2), 20, 24)
    np.testing.assert_allclose(start, expected, atol=0.1)


def test_white_noise_follows_its_seed_and_deviation():
    noise = start_of(initialisation="noise", seed=3, noise_stddev=0.1)
    assert noise.shape == (1, 20, 24, 3)
    np.testing.assert_array_equal(noise, start_of(initialisation="noise", seed=3, noise_stddev=0.1))
    assert not np.array_equal(noise, start_of(initialisation="noise", seed=4, noise_stddev=0.1))
    assert noise.std() == pytest.approx(0.1, rel=0.1)
    assert noise.mean() == pytest.approx(0.5, abs=0.02)


def test_the_start_may_be_a_file(tmp_path):
    path = tmp_path / "start.png"
    images.save(path, np.full([1, 10, 12, 3], 0.2, np.float32))
    np.testing.assert_allclose(start_of(initialisation=str(path)), 0.2, atol=1e-6)


def test_a_start_file_that_is_missing_is_refused():
    with pytest.raises(errors.ImageError, match=r"nowhere\.png"):
        start_of(initialisation="nowhere.png")


def test_the_transparency_of_the_content_is_kept(tmp_path):
    path, out = tmp_path / "content.png", tmp_path / "out.png"
    alpha = np.linspace(0, 1, 20 * 24, dtype=np.float32).reshape([1, 20, 24, 1])
    images.save(path, tiny_network.picture(20, 24, seed=1), alpha=alpha)
    stylize(path).save(out)
    np.testing.assert_allclose(images.load(out).alpha, alpha, atol=1 / 255)


def test_reports_come_first_and_last_and_carry_the_image():
    reports, shapes = [], []

    def on_report(report):
        reports.append(report)
        shapes.append(report.image().shape)

    stylize(steps=6, on_report=on_report)
    assert reports[0].step == 1
    assert reports[-1].step == 6
    assert reports[-1].steps == 6
    assert reports[-1].seconds_left == 0
    assert set(reports[-1].losses) == NUMBERS
    assert set(shapes) == {(1, 20, 24, 3)}


def test_a_report_comes_at_every_snapshot():
    reports = []
    stylize(steps=7, snapshot_interval=3, on_report=reports.append)
    assert [report.step for report in reports if report.is_snapshot] == [3, 6]


def test_a_callback_may_stop_the_run():
    def stop_at_two(report):
        if report.step >= 2:
            raise results.StopStylizing

    result = stylize(steps=50, snapshot_interval=1, on_report=stop_at_two)
    assert result.stopped_early
    assert result.steps == 2
    assert len(result.losses["total"]) == 2


def test_an_error_in_a_callback_is_not_hidden():
    def broken(report):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stylize(on_report=broken)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros([1, 1, 3], np.float32), r"at least 2 px for conv2_2\. Received: 1 x 1 px"),
        (np.full([8, 8, 3], np.nan, np.float32), "Received:"),
        (np.zeros([8, 8, 4], np.float32), "Received:"),
        (np.full([8, 8, 3], 200.0), "Received:"),
        ("missing.jpg", r"missing\.jpg"),
        ("sample:monet", "launch-pad"),
    ],
    ids=["one pixel", "nan", "four channels", "0 to 255 floats", "missing file", "unknown sample"],
)
def test_a_picture_that_does_not_serve_is_refused(content, message):
    with pytest.raises(errors.ImageError, match=message):
        stylize(content)


def test_a_blend_of_another_length_is_refused():
    with pytest.raises(errors.ConfigError, match=r"one share for each of the 1 style pictures\. Received: 2"):
        stylize(style_blend=(0.5, 0.5))


def test_no_style_picture_is_refused():
    with pytest.raises(errors.ImageError, match="at least one style picture"):
        stylize(style=[])


def test_a_network_that_gives_no_numbers_is_an_error_not_a_black_picture():
    with pytest.raises(nst_tf.NstError, match="not a finite number at the start"):
        transfer.stylize(
            tiny_network.picture(),
            tiny_network.picture(),
            tiny_network.config(steps=3, optimizer="adam"),
            extractor=lambda image: {name: image * float("nan") for name in ("conv1_1", "conv2_1", "conv2_2")},
        )


def test_a_run_that_diverges_keeps_its_best_image_and_names_the_step():
    messages, settings = [], {"optimizer": "adam", "learning_rate": 50.0, "steps": 6, "adjustable": True}
    result = stylize(style_weight=0.0, **settings)
    assert result.diverged_at_step is None  # the content image is its own minimum: nothing moves

    result = stylize(style_weight=1.0, content_weight=100.0, **settings, on_message=messages.append)
    assert result.diverged_at_step == 2
    np.testing.assert_allclose(result.image, tiny_network.picture(20, 24, seed=1), atol=1e-6)
    assert any("diverged at step 2" in message and "--learning_rate" in message for message in messages)


def test_adam_ends_at_an_objective_that_is_not_finite_and_keeps_the_best_image():
    network, calls = tiny_network.TinyNetwork(), tf.Variable(0)

    def breaks_down(image):
        factor = tf.where(calls.assign_add(1) > 6, float("nan"), 1.0)
        return {name: f * tf.cast(factor, f.dtype) for name, f in network(image).items()}

    messages = []
    result = transfer.stylize(
        tiny_network.picture(seed=1),
        tiny_network.picture(seed=2),
        tiny_network.config(steps=20, optimizer="adam", snapshot_interval=1),
        extractor=breaks_down,
        on_message=messages.append,
    )
    assert result.diverged_at_step is not None
    assert result.steps < 20
    assert np.isfinite(result.image).all()
    assert any("not finite" in message for message in messages)


def test_the_engine_serves_several_pictures_with_one_network():
    engine = tiny_network.engine(tiny_network.config(steps=3))
    style = tiny_network.picture(seed=2)
    first = engine(tiny_network.picture(12, 16, seed=1), style)
    engine(tiny_network.picture(20, 10, seed=3), style)
    again = engine(tiny_network.picture(12, 16, seed=1), style)
    np.testing.assert_allclose(again.image, first.image, atol=1e-6)


def test_a_reconfigured_engine_gives_what_a_new_one_gives_and_calls_the_network_no_more():
    network, calls = tiny_network.TinyNetwork(), []

    def counted(image):
        calls.append(image.shape)
        return network(image)

    picture, styles = tiny_network.picture(seed=1), [tiny_network.picture(seed=2), tiny_network.picture(seed=3)]
    first = tiny_network.config(steps=2, optimizer="adam")
    other = tiny_network.config(
        steps=4, optimizer="adam", seed=9, initialisation="noise", style_blend=(0.2, 0.8), snapshot_interval=1
    )
    expected = tiny_network.stylize(picture, styles, other)
    engine = transfer.StyleTransfer(first, extractor=counted)
    engine(picture, styles)
    traced = len(calls)
    engine.reconfigure(other)
    result = engine(picture, styles)
    assert result.image.tobytes() == expected.image.tobytes()
    assert result.config == other
    assert len(calls) == traced + 3  # the targets: a content and two styles


@pytest.mark.parametrize(
    ("optimizer", "weights"),
    [("lbfgs", {"content_weight": 3.0, "style_weight": 1 / 3e-3}), ("adam", {"content_weight": 0.0})],
    ids=["lbfgs", "adam"],
)
def test_weights_in_variables_give_the_picture_of_weights_in_the_graph_to_the_bit(optimizer, weights):
    picture, style = tiny_network.picture(seed=1), tiny_network.picture(seed=2)
    config = tiny_network.config(optimizer=optimizer, steps=12, **weights)
    first = tiny_network.config(optimizer=optimizer, steps=2)
    engine = tiny_network.engine(first, adjustable=True)  # traced with other weights
    engine(picture, style)
    engine.reconfigure(config)
    result = engine(picture, style)
    expected = tiny_network.stylize(picture, style, config)
    assert result.image.tobytes() == expected.image.tobytes()
    assert result.losses["total"].tobytes() == expected.losses["total"].tobytes()


def test_an_engine_is_not_reconfigured_to_another_objective():
    engine = transfer.StyleTransfer(tiny_network.config(), extractor=tiny_network.TinyNetwork())
    with pytest.raises(ValueError, match="keeps its network and its traced steps"):
        engine.reconfigure(tiny_network.config(style_layers=("conv1_1",)))


def test_a_result_is_saved_with_its_record(tmp_path):
    out = tmp_path / "new" / "out.png"
    result = stylize(steps=4)
    result.save(out)
    record = json.loads((tmp_path / "new" / "out.png.json").read_text())
    assert record["config"] == json.loads(json.dumps(dataclasses.asdict(result.config)))
    assert len(record["losses"]["total"]) == 4
    assert record["versions"]["tensorflow"] == tf.__version__
    assert record["inputs"][0]["sha256"] == result.inputs[0]["sha256"]
    np.testing.assert_allclose(images.load(out).pixels, result.image, atol=0.5 / 255 + 1e-6)


def test_float16_scales_its_losses_and_ends_near_float32():
    content, style = tf.constant(tiny_network.picture(seed=1)), tf.constant(tiny_network.picture(seed=2))
    network = tiny_network.TinyNetwork()

    def in_float16(image):
        return {name: tf.cast(f, tf.float16) for name, f in network(tf.cast(image, tf.float16)).items()}

    config = tiny_network.config(content_weight=1e-6, style_weight=1e-6)
    exact = objective.Objective(extractor=network, config=config)
    coarse = objective.Objective(extractor=in_float16, config=config)
    targets = exact.targets(content, [style])
    scale = precision.loss_scale(coarse.terms_and_gradient, content, targets)
    _, expected = exact.terms_and_gradient(content, targets)
    _, unscaled = coarse.terms_and_gradient(content, targets)
    _, scaled = coarse.terms_and_gradient(content, targets, scale)
    assert scale > 1
    error = np.linalg.norm(scaled - expected) / np.linalg.norm(expected)
    assert error < 0.02
    assert np.linalg.norm(unscaled - expected) / np.linalg.norm(expected) > 5 * error


def test_a_run_over_several_sizes_ends_at_the_full_one():
    content, style = tiny_network.picture(140, 160, seed=1), tiny_network.picture(130, 150, seed=2)
    result = stylize(content, style, scales=2, steps=4, coarse_steps=3)
    assert result.image.shape == (1, 140, 160, 3)
    assert [(stage["height_px"], stage["width_px"]) for stage in result.stages] == [(70, 80), (140, 160)]
    assert result.steps == 7
    assert len(result.losses["total"]) == 7
    assert result.best_loss == min(result.losses["total"][3:])


def test_the_finer_size_starts_from_the_coarser_result():
    content, style = tiny_network.picture(140, 160, seed=1), tiny_network.picture(130, 150, seed=2)
    direct = stylize(content, style, scales=1, steps=1, initialisation="noise")
    passed_on = stylize(content, style, scales=2, steps=1, coarse_steps=40, initialisation="noise")
    assert passed_on.losses["total"][-1] < 0.5 * direct.losses["total"][0]


def test_at_strength_0_the_content_comes_through_every_size():
    content, style = tiny_network.picture(140, 160, seed=1), tiny_network.picture(130, 150, seed=2)
    result = stylize(content, style, strength=0.0, scales=2, steps=4, coarse_steps=4, total_variation_weight=10.0)
    np.testing.assert_allclose(result.image, content, atol=1 / 255)


def test_a_content_that_is_its_own_style_comes_back():
    content = tiny_network.picture(140, 160, seed=1)
    result = stylize(content, content, scales=2, steps=4, coarse_steps=4, total_variation_weight=10.0)
    np.testing.assert_allclose(result.image, content, atol=1 / 255)
    assert result.config.strength == 1


def test_more_strength_comes_nearer_to_the_style():
    content, style = tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2)
    aim = objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config())
    targets = aim.targets(tf.constant(content), [tf.constant(images.resize(style, *images.fit(18, 30, 24)))])
    runs = [stylize(content, style, strength=strength, steps=30).image for strength in (0.0, 0.5, 1.0)]
    distances = [float(aim.terms(tf.constant(image), targets).values["style"][0]) for image in runs]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 2 * distances[-1]


def test_with_luminance_the_chroma_is_the_contents():
    content = tiny_network.picture(20, 24, seed=1) * 0.3 + 0.35  # so that nothing is clipped
    seen = []
    result = stylize(content, colours="luminance", steps=30, on_report=lambda report: seen.append(report.image()))
    for image in (result.image, seen[-1]):
        np.testing.assert_allclose(image - colours.grey(image), content - colours.grey(content), atol=1e-5)
    assert np.abs(colours.luma(result.image) - colours.luma(content)).max() > 0.02


def test_with_the_contents_colours_a_paler_style_gives_the_same_picture():
    style = tiny_network.picture(24, 24, seed=2)
    paler = style * 0.5 + np.array([0.1, 0.2, 0.3], np.float32)
    first, second = (stylize(style=one, colours="content", steps=3).image for one in (style, paler))
    assert np.abs(stylize(style=style, steps=3).image - stylize(style=paler, steps=3).image).max() > 0.01
    np.testing.assert_allclose(first, second, atol=2e-3)


def test_a_finer_size_starts_with_the_detail_that_the_coarser_one_had_lost():
    content = tf.random.stateless_uniform([1, 40, 48, 3], [1, 0], 0.4, 0.6)  # so that nothing is clipped
    coarse = tf.image.resize(content, [20, 24], antialias=True)
    given_back, half, lost = (stages.enlarged(coarse, content, coarse, detail).numpy() for detail in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(given_back, content, atol=1e-6)
    np.testing.assert_allclose(half, (content + lost) / 2, atol=1e-6)
    assert np.abs(lost - content).max() > 0.05


def test_the_grain_of_a_finer_size_is_grey_and_as_strong_as_asked():
    grained = stages.grained(tf.fill([1, 200, 200, 3], 0.5), 0.05, seed=3).numpy()
    np.testing.assert_allclose(grained.std(), 0.05, rtol=0.1)
    np.testing.assert_array_equal(grained[..., 0], grained[..., 2])
    neighbours = np.corrcoef(grained[0, :, 1:, 0].ravel(), grained[0, :, :-1, 0].ravel())[0, 1]
    assert neighbours > 0.5


LEFT = np.tile(np.arange(24) < 12, (20, 1))
SETTINGS = tiny_network.config(steps=4)


def masked(content=None, style=None, settings=SETTINGS, **given):
    content = tiny_network.picture(20, 24, seed=1) if content is None else content
    style = tiny_network.picture(18, 30, seed=2) if style is None else style
    return tiny_network.stylize(content, style, settings, on_message=lambda message: None, **given).image


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_no_mask_covers_is_the_contents_exactly(optimizer):
    content = tiny_network.picture(20, 24, seed=1)
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer, strength=0.9 if optimizer == "lbfgs" else 1.0)
    image = masked(content, settings=settings, style_masks=[LEFT], keep_mask=np.roll(LEFT, 4, axis=1))
    np.testing.assert_array_equal(image[:, :, 12:], content[:, :, 12:])
    np.testing.assert_array_equal(image[:, :, 4:], content[:, :, 4:])
    assert np.abs(image - content)[:, :, :4].max() > 0.005


def test_the_soft_edge_of_a_keep_mask_blends():
    content = tiny_network.picture(20, 24, seed=1)
    soft = np.tile(np.linspace(0, 1, 24, dtype=np.float32), (20, 1))
    change = np.abs(masked(content, keep_mask=soft) - content).mean(axis=(0, 1, 3))
    assert change[-1] == 0
    assert change[:6].mean() > 2 * change[-6:].mean()


def test_two_regions_come_nearer_to_their_own_styles():
    content, styles = tiny_network.picture(20, 24, seed=1), [tiny_network.picture(20, 24, seed=n) for n in (2, 3)]
    settings = dataclasses.replace(SETTINGS, steps=25)
    sides = [LEFT, ~LEFT]
    image = masked(content, styles, settings, style_masks=sides)
    swapped = masked(content, styles, settings, style_masks=sides[::-1])
    aim = objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config())
    for place, style in ((np.s_[:, :, :12], styles[0]), (np.s_[:, :, 12:], styles[1])):
        half = tf.constant(content[place])
        targets = aim.targets(half, [tf.constant(style)])
        own, others = (
            float(aim.terms(tf.constant(one[place]), targets).values["style"][0]) for one in (image, swapped)
        )
        assert own < 0.9 * others


def test_a_style_is_taken_from_its_own_mask_alone():
    style = tiny_network.picture(20, 24, seed=2)
    other = style.copy()
    other[:, :, 12:] = 0.5
    inside = dataclasses.replace(SETTINGS, propagation="inside")
    images_ = [
        masked(style=one, settings=inside, style_own_masks=[np.tile(np.arange(24) < 8, (20, 1))])
        for one in (style, other)
    ]
    np.testing.assert_allclose(*images_, atol=1e-4)
    assert np.abs(masked(style=style) - masked(style=other)).max() > 0.01


def test_transparent_pixels_neither_give_nor_take_style():
    alpha = LEFT[np.newaxis, :, :, np.newaxis].astype(np.float32)

    def sprite(seed, hidden):
        pixels = np.where(alpha > 0, tiny_network.picture(20, 24, seed=seed), hidden).astype(np.float32)
        return images.Picture(pixels=pixels * alpha + 1 - alpha, alpha=alpha, sha256="0", name="sprite")

    first = masked(sprite(1, 0.2), sprite(2, 0.9))
    np.testing.assert_array_equal(masked(sprite(1, 0.7), sprite(2, 0.1)), first)
    cropped = masked(sprite(1, 0.2).pixels[:, :, :12], sprite(2, 0.9).pixels[:, :, :12])
    on_white = masked(sprite(1, 0.2).pixels, sprite(2, 0.9).pixels)
    error, leak = (np.abs(one[:, :, :8] - cropped[:, :, :8]).mean() for one in (first, on_white))
    assert error < leak


def test_a_style_takes_the_fine_structure_of_another_and_keeps_its_coarse_one(tmp_path):
    coarse, fine = tiny_network.picture(20, 24, seed=2), tiny_network.picture(20, 24, seed=3) * 0.3 + 0.3
    fine[:, ::2, ::2] += 0.4
    images.save(tmp_path / "fine.png", fine)
    settings = dataclasses.replace(SETTINGS, fine_style=str(tmp_path / "fine.png"), style_layers=("conv1_1", "conv2_2"))
    result = tiny_network.stylize(tiny_network.picture(20, 24, seed=1), coarse, settings, on_message=lambda _: None)
    assert result.inputs[1]["sha256"] != stylize(style=coarse, steps=1).inputs[1]["sha256"]
    plain = masked(style=coarse, settings=dataclasses.replace(settings, fine_style=""))
    assert np.abs(result.image - plain).max() > 0.01


def test_a_fine_style_needs_a_shallow_style_layer():
    with pytest.raises(errors.ConfigError, match="fine_style needs a style layer in the first 2 blocks"):
        configs.StyleTransferConfig(fine_style="a.png", style_layers=("conv4_1",))


def test_masks_of_another_objective_are_refused():
    aim = objective.Objective(extractor=tiny_network.TinyNetwork(), config=tiny_network.config())
    aim = dataclasses.replace(aim, named_terms=aim.named_terms[:1])
    with pytest.raises(errors.ConfigError, match="masks of styles guide means over positions"):
        transfer.stylize(
            tiny_network.picture(20, 24), tiny_network.picture(18, 30), SETTINGS, objective=aim, style_masks=[LEFT]
        )


def test_stopping_at_a_coarse_size_still_gives_the_full_size():
    def stop(report):
        raise results.StopStylizing

    content = tiny_network.picture(140, 160, seed=1)
    result = stylize(content, scales=2, steps=4, coarse_steps=30, on_report=stop)
    assert result.stopped_early
    assert result.image.shape == (1, 140, 160, 3)


def test_a_side_that_the_pooling_does_not_divide_is_painted_to_its_edge():
    content, style = tiny_network.picture(21, 25, seed=1), tiny_network.picture(20, 24, seed=2)
    result = stylize(content, style, content_weight=0.0, style_layers=("conv2_1",), optimizer="adam", steps=20)
    change = np.abs(result.image - content)[0].mean(axis=-1)
    assert change[-1].mean() > 0.2 * change[:-1].mean()
    assert change[:, -1].mean() > 0.2 * change[:, :-1].mean()


def test_an_averaged_result_has_the_objective_of_the_average():
    result = stylize(steps=10, averaging=0.8)
    aim = objective.Objective(extractor=tiny_network.TinyNetwork(), config=result.config)
    pictures = inputs.read(tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2), result.config)
    targets = aim.targets(tf.constant(pictures.content.pixels), [tf.constant(pictures.styles[0].pixels)])
    np.testing.assert_allclose(aim.terms(tf.constant(result.image), targets).total, [result.best_loss], rtol=1e-4)
    assert result.best_loss > min(result.losses["total"])


def within(budget_mb):
    messages = []
    config = tiny_network.config(
        steps=2,
        max_side_px=600,
        memory_budget_mb=budget_mb,
        optimizer="adam",
        style_layers=("conv1_1", "conv3_1"),
        total_variation_weight=10.0,
    )
    content, style = tiny_network.picture(304, 600, seed=1), tiny_network.picture(100, 150, seed=2)
    result = transfer.stylize(content, style, config, extractor=tiny_vgg.TinyVgg("conv3_1"), on_message=messages.append)
    return result, messages[-1]


def test_a_picture_in_tiles_comes_out_as_the_whole_one():
    (whole, whole_plan), (tiled, tiled_plan) = within(4000), within(1200)
    assert "600 x 304 px whole" in whole_plan
    assert "2 tiles of 300 x 304 px" in tiled_plan
    np.testing.assert_allclose(tiled.losses["total"], whole.losses["total"], rtol=1e-4)
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-3)


def test_what_does_not_fit_is_refused_before_the_network_is_loaded():
    config = configs.preset("default", weights="nowhere.npz", max_side_px=400, memory_budget_mb=600)
    with pytest.raises(errors.MemoryBudgetError, match="Received: a budget of 600 MB"):
        transfer.stylize(tiny_network.picture(288, 400), tiny_network.picture(288, 400), config)


def test_a_time_budget_ends_a_run_with_its_best_picture():
    result = stylize(steps=100000, time_budget_s=0.5)
    assert result.ended_by == ("time budget",)
    assert result.steps < 100000
    assert result.best_loss == min(result.losses["total"])


def test_a_size_ends_when_the_picture_stands_still():
    settings = {"steps": 2000, "patience": 10, "min_improvement": 0.0}
    result = stylize(**settings, min_change_levels=2.0)
    assert result.ended_by == ("stillness",)
    assert result.steps < 1000
    longer = stylize(**settings, min_change_levels=0.5)
    assert longer.steps > result.steps


def test_the_time_of_a_run_is_told_after_three_timed_evaluations():
    messages = []
    stylize(steps=3, on_message=messages.append)
    assert not [message for message in messages if "in all" in message]
    stylize(steps=4, on_message=messages.append)
    (told,) = (message for message in messages if "in all" in message)
    assert re.fullmatch(r"plan: about \d+ s in all, by the time of 3 evaluations", told)


def test_patience_ends_a_run_that_no_longer_gains():
    result = stylize(steps=2000, patience=20, min_improvement=0.5)
    assert result.ended_by == ("stall",)
    assert result.steps < 2000


def test_an_engine_refuses_a_call_from_its_own_callback():
    engine = tiny_network.engine(tiny_network.config(steps=2))
    pictures = tiny_network.picture(), tiny_network.picture(seed=1)
    with pytest.raises(errors.NstError, match=r"from inside a callback.*Use another engine"):
        engine(*pictures, on_report=lambda _: engine(*pictures))
    assert engine(*pictures).steps == 2


def test_stylize_may_be_called_from_a_callback_with_the_same_settings(monkeypatch):
    config = tiny_network.config(steps=1, optimizer="adam")
    network = on_vgg19.Network(objective.Objective(extractor=tiny_network.TinyNetwork(), config=config), "as given", {})
    monkeypatch.setattr(on_vgg19.SharedNetworks, "network", lambda *_: network)
    pictures = tiny_network.picture(), tiny_network.picture(seed=1)
    inner = []

    def on_report(_):
        inner.append(transfer.stylize(*pictures, config))

    outer = transfer.stylize(*pictures, config, on_report=on_report)
    np.testing.assert_array_equal(inner[0].image, outer.image)


@pytest.mark.parametrize("config", [{"steps": 3}, configs.AdainConfig(), 3])
@pytest.mark.parametrize("call", [transfer.StyleTransfer, lambda config: transfer.stylize("a", "b", config)])
def test_what_is_no_configuration_is_refused_with_the_class_that_is(call, config):
    with pytest.raises(errors.ConfigError, match=r"must be a StyleTransferConfig. Received: (dict|AdainConfig|int)"):
        call(config)


def test_a_presets_name_is_taken_as_its_configuration():
    assert transfer.StyleTransfer("gatys").config == configs.preset("gatys")
    with pytest.raises(errors.ConfigError, match="preset must be one of"):
        transfer.stylize("a", "b", "monet")


def test_adam_is_refused_inside_a_distribution_strategy():
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        assert stylize(optimizer="lbfgs", steps=1).steps == 1
        with pytest.raises(errors.NstError, match=r"outside the scope.*Leave the scope, or use optimizer=lbfgs"):
            stylize(optimizer="adam", steps=1, learning_rate=0.017)  # of no other test, so that it is built here


@functools.cache
def deep_engine():
    config = configs.StyleTransferConfig(
        scales=2, steps=1, coarse_steps=1, precision="float32", max_side_px=128, lbfgs_memory=1
    )
    return transfer.StyleTransfer(config, extractor=tiny_vgg.TinyVgg())


@pytest.mark.parametrize(
    ("style_size", "style_max_side_px"), [((24, 24), None), ((20, 200), None), ((60, 80), 24), ((40, 1000), None)]
)
def test_a_small_style_is_read_no_smaller_at_coarse_sizes_than_its_deepest_layer_needs(style_size, style_max_side_px):
    engine = deep_engine()
    config = dataclasses.replace(engine.config, style_max_side_px=style_max_side_px)
    engine.reconfigure(config)
    result = engine(tiny_network.picture(128, 128), tiny_network.picture(*style_size))
    assert len(result.stages) == config.scales
    assert np.isfinite(result.losses["style"]).all()
    assert result.losses["style"].min() > 0


def test_a_start_picture_of_another_aspect_ratio_is_stretched_and_said_to_be(tmp_path):
    images.save(tmp_path / "start.png", tiny_network.picture(10, 30))
    said = []
    stylize(initialisation=str(tmp_path / "start.png"), steps=1, on_message=said.append)
    assert any("start.png: stretched to the content's 24 x 20 px" in message for message in said)


PHOTO = {"guided_filter_radius": 0.1, "guided_filter_epsilon": 1e-3, "steps": 3}


def test_the_guided_filter_acts_on_the_finished_picture():
    content = tiny_network.picture(20, 24, seed=1)
    unfiltered = stylize(content, steps=3).image
    expected = guided_filter.filtered(unfiltered, content, radius_px=2, epsilon=1e-3)
    np.testing.assert_allclose(stylize(content, **PHOTO).image, expected, atol=1e-5)


def test_a_result_of_full_size_has_the_photographs_own_size_and_edges():
    photograph = np.kron(tiny_network.picture(5, 6, seed=3)[0], np.ones([16, 16, 1], np.float32))[np.newaxis]
    result = stylize(photograph, max_side_px=24, full_size=True, **PHOTO)
    assert result.image.shape == photograph.shape
    assert (result.stages[-1]["height_px"], result.stages[-1]["width_px"]) == (20, 24)
    within, across = (np.abs(result.image[:, :, x + 1] - result.image[:, :, x]).mean() for x in (7, 15))
    assert across > 5 * within


def test_the_transparency_of_a_result_of_full_size_is_the_photographs():
    pixels = tiny_network.picture(40, 48, seed=1)
    alpha = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 1, 48, 1).repeat(40, axis=1)
    photograph = images.Picture(pixels=pixels, alpha=alpha, sha256="1" * 64, name="photo")
    np.testing.assert_array_equal(stylize(photograph, max_side_px=24, full_size=True, **PHOTO).alpha, alpha)


def test_full_size_without_the_filter_is_refused():
    with pytest.raises(errors.ConfigError, match="full_size needs the guided filter"):
        configs.preset("default", full_size=True)


@pytest.mark.weights
def test_the_preset_photo_leaves_every_line_of_the_photograph_where_it_was():
    config = configs.preset(
        "photo", max_side_px=96, scales=1, steps=12, precision="float32", convolution="direct", lbfgs_memory=4
    )
    result = transfer.stylize("sample:launch-pad", "sample:shuttle-landing", config, on_message=lambda _: None)
    content = images.load("sample:launch-pad", max_side_px=96).pixels
    edges = [np.hypot(*np.gradient(colours.luma(pixels)[0, :, :, 0])).ravel() for pixels in (result.image, content)]
    assert np.corrcoef(*edges)[0, 1] > 0.9
    assert np.abs(result.image - content).mean() > 0.025
