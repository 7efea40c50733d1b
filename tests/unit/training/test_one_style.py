import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, results
from nst_tf.losses import objective, on_vgg19
from nst_tf.networks import multi_style
from nst_tf.networks import one_style as networks
from nst_tf.optimisation import checkpoint
from nst_tf.training import loop, one_style
from nst_tf.weights import style_files
from tests.tiny import tiny_network, tiny_vgg

PAINTING = tiny_network.picture(80, 70, seed=5)
SMALL = {
    "crop_px": 128,
    "coarse_share": 1.0,
    "stroke_size_px": 80,
    "width": 4,
    "blocks": 1,
    "flat_share": 0.0,
    "content_layers": ("conv2_1",),
    "style_layers": ("conv1_1", "conv2_1"),
}


STYLE_ALONE = {"steps": 20, "learning_rate": 0.01, "content_weight": 0.0, "total_variation_weight": 0.0}


@pytest.fixture(autouse=True, scope="module")
def _tiny():
    """VGG-19 with few channels, and a small preview."""

    def network(self, config, on_message):
        extractor = tiny_vgg.TinyVgg(config.layers[-1])
        return on_vgg19.Network(objective.Objective(extractor=extractor, config=config), "float32", {"source": "tiny"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_vgg19.SharedNetworks, "network", network)
        patch.setattr(loop, "PREVIEW_SIDE_PX", 64)
        patch.setattr(one_style, "_WARM_UP_STEPS", 2)
        patch.setattr(one_style, "_KEPT_EVERY", 2)
        yield


def train(on_report=None, on_message=lambda _: None, checkpoints=None, **settings):
    config = configs.OneStyleTrainingConfig(**(SMALL | {"steps": 6} | settings))
    return one_style.learn_network(
        PAINTING, config, name="mine", checkpoints=checkpoints, on_report=on_report, on_message=on_message
    )


@pytest.fixture(scope="module")
def learned():
    """A training that nothing breaks."""
    return train(**STYLE_ALONE)


def test_training_from_nothing_lowers_the_objective_and_gives_a_file_with_its_network(learned, tmp_path):
    total = learned.losses["total"]
    assert total[-4:].mean() < 0.8 * total[:3].mean()
    learned.save(tmp_path / "mine.style")
    read = style_files.read(tmp_path / "mine.style")
    assert read.method == "one-style"
    picture = networks.OneStyleTransfer(configs.OneStyleConfig())(PAINTING, read, on_message=lambda _: None)
    assert picture.image.shape == PAINTING.shape
    assert picture.as_dict()["method"] == "one-style"


def test_the_first_steps_see_squares_of_half_the_side(monkeypatch):
    sides = []

    def traced(self, squares, rate, updates):
        sides.append(squares.shape[1:3].as_list())
        return (tf.ones([]),) * len(loop.LOSSES)

    monkeypatch.setattr(one_style._Training, "_traced_step", traced)
    train(steps=2, batch=2, coarse_share=0.5)
    assert sides == [[64, 64], [128, 128]]


def test_a_killed_training_ends_as_an_unbroken_one_bit_for_bit(learned, tmp_path):

    def kill(report):
        if report.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(**STYLE_ALONE, on_report=kill, checkpoints=checkpoint.Checkpoints(tmp_path, interval_s=0))
    resumed = train(**STYLE_ALONE, checkpoints=checkpoint.Checkpoints(tmp_path, interval_s=0, resume=True))
    np.testing.assert_array_equal(resumed.style.gamma, learned.style.gamma)
    for layer, kernel in learned.style.kernels.items():
        np.testing.assert_array_equal(resumed.style.kernels[layer], kernel)
    np.testing.assert_array_equal(resumed.losses["total"], learned.losses["total"])
    with pytest.raises(errors.CheckpointError, match="content_weight"):
        train(
            **STYLE_ALONE | {"content_weight": 3.0},
            checkpoints=checkpoint.Checkpoints(tmp_path, interval_s=0, resume=True),
        )


def test_an_objective_that_is_not_finite_halves_the_rate_and_a_stop_keeps_the_best_network(monkeypatch):
    messages = []
    real = one_style._Training._share
    monkeypatch.setattr(one_style._Training, "_share", lambda self, step: np.nan if step == 3 else real(self, step))

    def stop(report):
        if report.step == 5:
            raise results.StopStylizing

    learned = train(on_report=stop, on_message=messages.append)
    assert any("the learning rate is halved to 0.0005" in message for message in messages)
    assert all(np.isfinite(kernel).all() for kernel in learned.style.kernels.values())
    assert np.isfinite(learned.losses["total"][-1])
    assert learned.stopped_early
    assert len(learned.losses["total"]) == 5
    start = networks.new_values(4, 1, 0).style.gamma
    assert np.abs(learned.style.gamma[0] - start).max() > 0


def test_a_new_network_gives_every_picture_the_same_mid_grey_contrast():
    values = networks.new_values(4, 2, 0)
    network = multi_style.MultiStyleNetwork(values.kernels)
    image = network(tiny_network.picture(64, 48), multi_style.Style(*values.style)).numpy()
    assert abs(image.mean() - 0.5) < 0.02
    assert 0.03 < image.std() < 0.1
