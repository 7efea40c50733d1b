"""A run that is killed after any step and resumed ends where the unbroken one ends, bit for bit."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import errors, machine, precision, results
from nst_tf.optimisation import checkpoint, lbfgs, memory_plan, schedule, transfer
from nst_tf.pictures import images
from tests.tiny import tiny_network

CONTENT = tiny_network.picture(20, 24, seed=1)
STYLE = tiny_network.picture(18, 30, seed=2)


@pytest.fixture(autouse=True)
def small_stages(monkeypatch):
    monkeypatch.setattr(schedule, "MIN_SIDE_PX", 5)


def config(**settings):
    return tiny_network.config(**({"scales": 3, "coarse_steps": 2, "steps": 3, "snapshot_interval": 1} | settings))


def fresh(**settings):
    return transfer.StyleTransfer(config(**settings), extractor=tiny_network.TinyNetwork())


def engine(**settings):
    return tiny_network.engine(config(**settings))


def another(**settings):
    """An engine with a graph of its own, as a process that starts anew has it."""
    return tiny_network.engine(config(**settings), copy=1)


def run(transfer_, folder=None, *, resume=False, on_report=None, messages=None, content=CONTENT, style=STYLE, **given):
    checkpoints = checkpoint.Checkpoints(folder, interval_s=0, resume=resume) if folder else None
    say = (lambda message: None) if messages is None else messages.append
    return transfer_(content, style, checkpoints=checkpoints, on_report=on_report, on_message=say, **given)


def stopped_after(steps):
    def on_report(report):
        if report.step == steps:
            raise results.StopStylizing

    return on_report


def assert_same(result, expected):
    assert result.image.tobytes() == expected.image.tobytes()
    assert result.best_loss == expected.best_loss
    assert result.steps == expected.steps
    assert result.diverged_at_step == expected.diverged_at_step
    assert result.ended_by == expected.ended_by
    assert set(result.losses) == set(expected.losses)
    for name, values in expected.losses.items():
        assert result.losses[name].tobytes() == values.tobytes(), name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "adam", "scales": 2, "coarse_steps": 3, "steps": 4},
        {"averaging": 0.8},
        {"optimizer": "adam", "averaging": 0.8, "scales": 1, "steps": 7},
        {"initialisation": "noise", "scales": 1, "steps": 7},
        {"scales": 2, "coarse_steps": 9, "steps": 9, "patience": 2, "min_improvement": 1.0},  # ends each size at 4
        {"scales": 1, "steps": 40, "patience": 2, "min_improvement": 0.0, "min_change_levels": 2.0},  # ends at about 14
    ],
    ids=["lbfgs", "adam", "lbfgs-averaged", "adam-averaged", "noise", "stall", "stillness"],
)
def test_a_run_killed_after_any_step_ends_as_the_unbroken_one(tmp_path, settings):
    def keep_the_last(report):
        if report.step > 1:
            (tmp_path / f"{report.step - 1}").mkdir()
            shutil.copy(tmp_path / "run" / checkpoint.FILE_NAME, tmp_path / f"{report.step - 1}")

    whole = run(engine(**settings), tmp_path / "run", on_report=keep_the_last)
    if "min_change_levels" in settings:
        assert (whole.ended_by, whole.steps > 4) == (("stillness",), True)
    else:
        assert whole.steps == (8 if "patience" in settings else 7)
    resuming = another(**settings)
    for step in range(1, whole.steps):
        result = run(resuming, tmp_path / f"{step}", resume=True)
        assert_same(result, whole)
        assert result.resumed_after_steps == (step,)


def test_a_resumed_run_may_be_killed_again(tmp_path):
    whole = run(engine())
    for step in (2, 3, 5):
        stopped = run(engine(), tmp_path, resume=step > 2, on_report=stopped_after(step))
        assert stopped.stopped_early
        assert stopped.steps == step
    result = run(engine(), tmp_path, resume=True)
    assert_same(result, whole)
    assert result.resumed_after_steps == (2, 3, 5)
    assert result.seconds > stopped.seconds
    assert result.as_dict()["resumed_after_steps"] == (2, 3, 5)


def test_a_run_with_masks_is_resumed_with_the_same_masks_alone(tmp_path):
    left = np.tile(np.arange(24) < 12, (20, 1))
    given = {"style_masks": [left], "keep_mask": np.tile(np.arange(20)[:, np.newaxis] < 6, (1, 24))}
    whole = run(engine(), **given)
    assert run(engine(), tmp_path, on_report=stopped_after(4), **given).stopped_early
    with pytest.raises(errors.NstError, match="masks"):
        run(engine(), tmp_path, resume=True, **(given | {"style_masks": [~left]}))
    assert_same(run(engine(), tmp_path, resume=True, **given), whole)


def test_checkpoints_do_not_change_the_run(tmp_path):
    assert_same(run(engine(), tmp_path), run(engine()))


def test_a_run_stopped_after_its_last_step_is_finished_when_resumed(tmp_path):
    whole = run(engine())
    assert run(engine(), tmp_path, on_report=stopped_after(7)).stopped_early
    result = run(engine(), tmp_path, resume=True)
    assert not result.stopped_early
    assert_same(result, whole)


def test_a_run_whose_callback_fails_can_be_resumed(tmp_path):
    def fail(report):
        if report.step == 4:
            raise RuntimeError("the disk of the logs is full")

    with pytest.raises(RuntimeError):
        run(engine(), tmp_path, on_report=fail)
    result = run(engine(), tmp_path, resume=True)
    assert result.resumed_after_steps == (3,)
    assert_same(result, run(engine()))


def test_where_it_continues_is_told(tmp_path):
    run(engine(), tmp_path, on_report=stopped_after(3))
    messages = []
    run(engine(), tmp_path, resume=True, messages=messages)
    assert [message for message in messages if message.startswith("resuming after step 3 of 7")]


def test_no_checkpoint_is_written_before_the_interval_has_passed(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path, interval_s=1e6)
    engine()(CONTENT, STYLE, checkpoints=checkpoints, on_message=lambda message: None)
    assert list(tmp_path.iterdir()) == []


def test_the_loss_scale_of_float16_is_kept(tmp_path, monkeypatch):
    """It is found at the start of a size, which a resumed run does not have."""
    scaled = fresh()
    scaled._network = scaled._network._replace(policy="mixed_float16")
    monkeypatch.setattr(precision, "loss_scale", lambda *start: 16.0)
    whole = run(scaled)
    run(scaled, tmp_path, on_report=stopped_after(3))
    seen = []
    monkeypatch.setattr(precision, "loss_scale", lambda *start: 256.0)
    monkeypatch.setattr(lbfgs.Lbfgs, "step", spied(lbfgs.Lbfgs.step, seen))
    result = run(scaled, tmp_path, resume=True)
    assert seen == [16.0, 256.0, 256.0, 256.0]
    np.testing.assert_allclose(result.image, whole.image, atol=1e-3)


def spied(step, loss_scales):
    def spy(self, targets, loss_scale):
        loss_scales.append(float(loss_scale))
        return step(self, targets, loss_scale)

    return spy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"style_weight": 9.0}}, "style_weight 9.0, started with 250.0"),
        ({"settings": {"steps": 4}}, "steps 4, started with 3"),
        ({"settings": {"optimizer": "adam"}}, "optimizer adam, started with lbfgs"),
        ({"settings": {"convolution": "direct"}}, "the sums of convolution=direct, started with lbfgs"),
        ({"settings": {"style_layers": ("conv1_1",)}}, "style_layers ['conv1_1'], started with ['conv1_1', 'conv2_1']"),
        ({"content": tiny_network.picture(20, 24, seed=5)}, "content picture of 24 x 20 px with sha256"),
        ({"style": tiny_network.picture(18, 30, seed=5)}, "style ['picture of 24 x 14 px with sha256"),
        ({"style": [STYLE, STYLE]}, "style ['picture of 24 x 14 px with sha256"),
        ({"weights": {"sha256": "b" * 64}}, f"weights {'b' * 64}, started with as given"),
        ({"policy": "mixed_bfloat16"}, "precision mixed_bfloat16, started with as given"),
    ],
    ids=["weight", "steps", "optimizer", "sums", "layers", "content", "style", "styles", "weights", "precision"],
)
def test_a_changed_run_is_refused_and_the_checkpoint_kept(tmp_path, change, words):
    run(engine(), tmp_path, on_report=stopped_after(3))
    before = (tmp_path / checkpoint.FILE_NAME).read_bytes()
    change = dict(change)
    other = fresh(**change.pop("settings", {}))
    network = {name: change.pop(name) for name in ("weights", "policy") if name in change}
    other._network = other._network._replace(**network)
    with pytest.raises(errors.CheckpointError) as raised:
        run(other, tmp_path, resume=True, **change)
    assert words in str(raised.value)
    assert str(raised.value).count("started with") == 1
    assert (tmp_path / checkpoint.FILE_NAME).read_bytes() == before


def test_a_start_picture_is_known_by_its_content_and_not_by_its_name(tmp_path):
    images.save(tmp_path / "a.png", tiny_network.picture(seed=6))
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    images.save(tmp_path / "c.png", tiny_network.picture(seed=7))
    whole = run(engine(initialisation=str(tmp_path / "a.png")))
    run(engine(initialisation=str(tmp_path / "a.png")), tmp_path / "run", on_report=stopped_after(3))
    with pytest.raises(errors.CheckpointError, match="initialisation picture of"):
        run(engine(initialisation=str(tmp_path / "c.png")), tmp_path / "run", resume=True)
    assert_same(run(engine(initialisation=str(tmp_path / "b.png")), tmp_path / "run", resume=True), whole)


@pytest.mark.parametrize("change", [{"snapshot_interval": 0}, {"preset": "photo"}, {"weights": "other.npz"}])
def test_settings_without_effect_on_the_result_may_change(tmp_path, monkeypatch, change):
    run(engine(), tmp_path, on_report=stopped_after(3))
    other = another()
    monkeypatch.setattr(other, "config", dataclasses.replace(other.config, **change))
    assert_same(run(other, tmp_path, resume=True), run(engine()))


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_run(tmp_path, small_files):
    whole = run(engine())
    messages = []
    run(engine(), tmp_path, on_report=stopped_after(2))
    before = (tmp_path / checkpoint.FILE_NAME).read_bytes()
    with small_files(5000):
        result = run(engine(), tmp_path, resume=True, messages=messages)
    assert_same(result, whole)
    failures = [message for message in messages if "no checkpoint was written; the last one is kept" in message]
    assert [message.partition(":")[0] for message in failures] == [f"step {step}" for step in range(3, 8)]
    assert all("File too large" in message for message in failures)
    assert (tmp_path / checkpoint.FILE_NAME).read_bytes() == before


def test_a_resumed_run_keeps_the_memory_it_was_planned_with(tmp_path, monkeypatch):
    settings = {"scales": 1, "steps": 7, "lbfgs_memory": 3}
    most, fewer = (
        memory_plan.plan(config(**settings | {"lbfgs_memory": pairs}), "as given", 20, 24, math.inf).peak_bytes
        for pairs in (3, 2)
    )
    tight = (most + fewer) / 2 / memory_plan.AUTO_SHARE
    monkeypatch.setattr(machine, "available_bytes", lambda: tight)
    whole = run(another(**settings))
    run(another(**settings), tmp_path, on_report=stopped_after(4))
    monkeypatch.setattr(machine, "available_bytes", lambda: math.inf)
    messages = []
    assert_same(run(another(**settings), tmp_path, resume=True, messages=messages), whole)
    assert any("lbfgs_memory 2 in place of 3" in message for message in messages)
    assert not np.array_equal(run(engine(**settings)).image, whole.image)  # else it would not matter


def test_time_spent_before_a_run_was_resumed_counts(tmp_path, monkeypatch):
    settings = {"time_budget_s": 1000.0}
    run(engine(**settings), tmp_path, on_report=stopped_after(1))
    read = checkpoint.read

    def long_ago(path):
        saved = read(path)
        return saved._replace(position=dataclasses.replace(saved.position, seconds=999.99))

    monkeypatch.setattr(checkpoint, "read", long_ago)
    result = run(engine(**settings), tmp_path, resume=True)
    assert result.ended_by == ("time budget",) * 3
    assert result.steps == 2 + 1 + 1  # one evaluation at each size that is left
    assert result.seconds > 999.99


@pytest.mark.slow  # the optimiser's own test counts its traces
def test_one_lbfgs_graph_serves_every_size_so_that_a_resumed_run_has_the_same_one():
    traces = []
    network = tiny_network.TinyNetwork()

    def counted(image):
        if not tf.executing_eagerly():
            traces.append(image.shape)
        return network(image)

    transfer.StyleTransfer(config(), extractor=counted)(CONTENT, STYLE, on_message=lambda message: None)
    assert len(traces) == 1
