import types

import numpy as np
import pytest

from nst_tf import configs, errors, results
from nst_tf.losses import objective, on_vgg19
from nst_tf.networks import multi_style
from nst_tf.pictures import images
from nst_tf.training import loop
from nst_tf.weights import style_files
from tests.tiny import tiny_multi_style, tiny_network, tiny_vgg

PAINTING = tiny_network.picture(80, 70, seed=5)
LAYERS = {"content_layers": ("conv2_2",), "style_layers": ("conv1_1", "conv2_1")}
STYLE_ALONE = {"content_weight": 0.0, "total_variation_weight": 0.0}  # of every test, so that they share what is traced


@pytest.fixture(scope="module")
def traced():
    return {}


@pytest.fixture
def tiny(monkeypatch, traced):
    """Both networks with few channels. Steps in `poison` make the style NaN."""
    state = types.SimpleNamespace(poison=())

    def network(self, config, on_message):
        extractor = tiny_vgg.TinyVgg(config.layers[-1])
        return on_vgg19.Network(objective.Objective(extractor=extractor, config=config), "float32", {"source": "tiny"})

    def training(loaded, objective, config, on_message):
        """Trainings of one objective share what is traced."""
        if config.objective not in traced:
            traced[config.objective] = real_training(loaded, objective, config, on_message)
        shared = traced[config.objective]
        shared._config, shared._on_message = config, on_message
        shared.history, shared.stopped, shared.seconds_per_step = [], False, 0.0
        return shared

    monkeypatch.setattr(on_vgg19.SharedNetworks, "network", network)
    monkeypatch.setattr(multi_style, "load", lambda *_, **__: tiny_multi_style.loaded())
    monkeypatch.setattr(loop, "PREVIEW_SIDE_PX", 64)
    real_training, real = loop._Training, loop._Training._share
    monkeypatch.setattr(
        loop._Training, "_share", lambda self, step: np.nan if step in state.poison else real(self, step)
    )
    monkeypatch.setattr(loop, "_Training", training)
    return state


def learn(painting=PAINTING, on_report=None, on_message=lambda _: None, **settings):
    small = {"crop_px": 64, "steps": 15, "stroke_sizes_px": (80,), "learning_rate": 0.05, "flat_share": 0.0}
    config = configs.TrainingConfig(**(small | LAYERS | STYLE_ALONE | settings))
    return loop.learn_style(painting, config, name="mine", on_report=on_report, on_message=on_message)


def test_training_lowers_the_objective_and_gives_a_file_for_the_network(tiny, tmp_path):
    learned = learn()
    total = learned.losses["total"]
    assert total.shape == (15,)
    assert total[-4:].mean() < 0.8 * total[:3].mean()
    np.testing.assert_allclose(total, sum(learned.losses[name] for name in loop.LOSSES[1:]), rtol=1e-4)
    learned.save(tmp_path / "mine.style")
    with pytest.raises(errors.OutputError, match=r"must end in \.style"):
        learned.save(tmp_path / "mine.npz")
    read = style_files.read(tmp_path / "mine.style")
    assert (read.name, read.network_sha256) == ("mine", tiny_multi_style.loaded().weights["sha256"])
    assert read.about["steps"] == 15
    assert learned.preview.shape[3] == 3
    assert not learned.stopped_early


def test_one_seed_gives_one_style(tiny):
    first, second, other = (learn(steps=4, seed=seed).style.gamma for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0


def test_training_starts_at_the_known_style_of_the_least_objective(tiny):
    messages = []
    known = tiny_multi_style.known()
    photograph = images.load("sample:launch-pad", max_side_px=96).pixels[:, :64, :64]
    network = tiny_multi_style.loaded().network
    painting = network(photograph, multi_style.Style(known.gamma[1], known.beta[1])).numpy()
    learn(painting, steps=1, on_message=messages.append)
    assert "starting at style:1, the nearest of the 3 known ones" in messages


def test_the_style_of_a_soft_painting_weighs_as_much_as_a_bold_ones(tiny):
    objective = on_vgg19.SharedNetworks.network(None, configs.TrainingConfig().objective, None).objective
    for picture in (PAINTING, 0.45 + 0.1 * PAINTING):
        targets = objective.targets(picture, [picture])
        squares = [np.square(gram).mean() for gram in targets["style"].values()]
        assert float(loop.relative_style_weight(targets, 1.0)) * np.mean(squares) == pytest.approx(4.0, rel=1e-4)


def test_several_sizes_of_strokes_are_learned_into_one_file(tiny):
    reports = []
    learned = learn(steps=3, stroke_sizes_px=(75, 80), on_report=reports.append)
    assert learned.style.stroke_sizes_px == (75, 80)
    assert learned.style.gamma.shape == (2, tiny_multi_style.SIZE)
    assert np.abs(np.diff(learned.style.gamma, axis=0)).max() > 0
    assert [(report.step, report.steps) for report in reports] == [(step, 6) for step in range(1, 7)]


def test_reports_have_the_losses_and_a_preview_at_its_interval(tiny):
    reports, previews = [], []

    def on_report(report):
        reports.append(report)
        if report.is_snapshot:
            previews.append(report.image())

    learned = learn(steps=5, preview_interval=2, on_report=on_report)
    assert [report.losses["total"] for report in reports] == pytest.approx(list(learned.losses["total"]))
    assert [report.is_snapshot for report in reports] == [False, True, False, True, False]
    assert all(preview.shape == learned.preview.shape for preview in previews)


def test_a_stopped_training_keeps_the_best_style_so_far(tiny):
    def stop(report):
        if report.step == 6:
            raise results.StopStylizing

    learned = learn(on_report=stop)
    assert learned.stopped_early
    assert len(learned.losses["total"]) == 6
    assert np.isfinite(learned.style.gamma).all()
    start = tiny_multi_style.known().gamma
    assert min(np.abs(learned.style.gamma - row).max() for row in start) > 0.005


def test_an_objective_that_is_not_finite_halves_the_rate_and_goes_on_from_the_best(tiny):
    tiny.poison = (4, 7)
    messages = []
    learned = learn(steps=10, on_message=messages.append)
    said = [message for message in messages if "not finite" in message]
    assert [message.partition(":")[0] for message in said] == ["step 4", "step 7"]
    assert "halved to 0.025" in said[0]
    assert "halved to 0.0125" in said[1]
    assert np.isfinite(learned.style.gamma).all()
    assert np.isfinite(learned.losses["total"][-3:]).all()


def test_an_objective_that_is_never_finite_ends_with_the_start(tiny):
    tiny.poison = range(1, 100)
    messages = []
    learned = learn(on_message=messages.append)
    assert "the best style so far is kept" in messages[-1]
    assert any(np.array_equal(learned.style.gamma[0], row) for row in tiny_multi_style.known().gamma)


def test_a_painting_below_64_px_is_refused(tiny):
    with pytest.raises(errors.ImageError, match=r"at least 64 px to learn its style\. Received: 70 x 63 px"):
        learn(PAINTING[:, :63])


@pytest.mark.parametrize(
    "settings",
    [{"stroke_sizes_px": ()}, {"stroke_sizes_px": (300, 200)}, {"stroke_sizes_px": (100.5,)}, {"crop_px": 8}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(errors.ConfigError):
        configs.TrainingConfig(**settings)


@pytest.mark.slow  # the command's own test trains with the real networks, for fewer steps
@pytest.mark.weights
def test_a_real_painting_is_learned_in_a_few_steps(tmp_path):
    config = configs.TrainingConfig(crop_px=64, steps=20, stroke_sizes_px=(128,))
    learned = loop.learn_style("sample:hiroshige", config, name="hiroshige")
    total = learned.losses["total"]
    assert total[-5:].mean() < 0.6 * total[:2].mean()
    assert len(style_files.encode(learned.style)) < 12_000
