"""A term of one's own: twenty lines, no other file, and it is in everything that a run reports and saves."""

import dataclasses
import functools
import json
from typing import ClassVar, Literal

import numpy as np
import pytest
import tensorflow as tf

import nst_tf
from cli import progress
from nst_tf.losses import objective, terms, tiled_objective
from nst_tf.optimisation import tensorboard, transfer
from tests import tolerances
from tests.tiny import tiny_network


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Brightness(terms.FeatureTerm):
    """The squared distance between the mean activations of the picture and of the style."""

    name: ClassVar[str] = "brightness"
    compares_with: ClassVar[Literal["content", "style"]] = "style"

    def partial(self, features, target):
        return tf.reduce_sum(features, [1, 2])  # [B, N]

    def averaged(self, total, positions):
        return total / positions

    def loss(self, measured, target):
        return tf.reduce_mean(tf.square(measured - target), -1)

    def zeros(self, target, zero):
        return tf.zeros_like(target) * zero[:, tf.newaxis]


CONTENT, STYLE = tiny_network.picture(28, 36, seed=1), tiny_network.picture(20, 24, seed=2)
CONFIG = tiny_network.config(steps=5, total_variation_weight=1.0)


def goal(kind=objective.Objective, **tile):
    own = Brightness(weight=3.0, layers=("conv1_1", "conv2_1"))
    parts = {"extractor": tiny_network.TinyNetwork(), "config": CONFIG}
    return kind(**parts, named_terms=(*objective.terms_of(CONFIG), own), **tile)


@functools.cache
def engine():
    return transfer.StyleTransfer(CONFIG, objective=goal())


def run(**kwargs):
    return engine()(CONTENT, STYLE, **kwargs)


def test_it_is_in_the_progress_line_the_json_and_tensorboard(tmp_path, capsys):
    reports = []
    log = tensorboard.TensorBoardLog(tmp_path / "log", CONFIG)

    def on_report(report):
        reports.append(report)
        log(report)
        progress.Progress().show(report)

    run(on_report=on_report).save(tmp_path / "out.png")
    log.close()
    losses = json.loads((tmp_path / "out.png.json").read_text())["losses"]
    assert len(losses["brightness"]) == len(losses["brightness/conv2_1"]) == 5
    assert f"brightness {reports[-1].losses['brightness']:.3g}" in capsys.readouterr().err
    (events,) = (tmp_path / "log").iterdir()
    assert b"run/brightness" in events.read_bytes()
    assert b"layers/brightness conv1_1" in events.read_bytes()


def test_it_is_part_of_what_is_minimised():
    result = run()
    assert result.losses["total"][-1] == pytest.approx(sum(result.losses[name][-1] for name in (
        "content", "style", "total_variation", "brightness")), rel=1e-5)  # fmt: skip
    assert result.losses["brightness"][-1] < result.losses["brightness"][0]


def test_a_resumed_run_has_it_in_its_history_and_ends_as_an_unbroken_one(tmp_path):
    def stop(report):
        if report.step >= 2:
            raise nst_tf.StopStylizing

    whole = run()
    run(checkpoints=nst_tf.Checkpoints(tmp_path, interval_s=0), on_report=stop)
    resumed = run(checkpoints=nst_tf.Checkpoints(tmp_path, resume=True))
    assert resumed.resumed_after_steps
    np.testing.assert_array_equal(resumed.losses["brightness"], whole.losses["brightness"])
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_in_tiles_it_has_the_gradient_of_the_whole():
    whole = goal()
    tiled = goal(tiled_objective.TiledObjective, tile_height_px=8, tile_width_px=12)
    content, style, image = (tf.constant(tiny_network.picture(24, 36, seed=n), tf.float64) for n in (1, 2, 3))
    (expected, gradient), (terms_in_tiles, gradient_in_tiles) = (
        aim.terms_and_gradient(image, aim.targets(content, [style])) for aim in (whole, tiled)
    )
    for name, value in expected.named().items():
        np.testing.assert_allclose(terms_in_tiles.named()[name], value, **tolerances.of("float64"))
    np.testing.assert_allclose(gradient_in_tiles, gradient, atol=1e-10 * np.abs(gradient).max())
