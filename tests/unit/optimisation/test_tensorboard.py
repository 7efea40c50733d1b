import importlib.util

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from nst_tf import errors, results
from nst_tf.optimisation import tensorboard
from tests.tiny import tiny_network


def logged(folder, **settings):
    config = tiny_network.config(**settings)
    log = tensorboard.TensorBoardLog(folder, config)
    pictures = tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2)
    result = tiny_network.stylize(*pictures, config, on_report=log)
    log.close()
    return result, read(folder)


def read(folder):
    events = event_accumulator.EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    return events


def test_losses_layers_and_the_gradients_norm_are_logged(tmp_path):
    result, events = logged(tmp_path / "run", steps=3, snapshot_interval=1)
    assert set(events.Tags()["tensors"]) == {
        "config", "picture", "run/content", "run/gradient_norm", "run/seconds_per_step", "run/style", "run/total",
        "run/total_variation", "layers/content conv2_2", "layers/style conv1_1", "layers/style conv2_1",
    }  # fmt: skip
    for tag, name in (("run/total", "total"), ("run/gradient_norm", "gradient_norm")):
        values = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        assert values == pytest.approx(list(result.losses[name]), rel=1e-6)
    assert [event.step for event in events.Tensors("run/total")] == [1, 2, 3]


def test_the_settings_are_logged_as_a_table(tmp_path):
    _, events = logged(tmp_path, steps=1, seed=42)
    assert b"|seed|42|" in tf.make_ndarray(events.Tensors("config")[0].tensor_proto).item(0)


def test_pictures_are_spread_over_the_run_and_end_with_the_last_step(tmp_path):
    _, events = logged(tmp_path, steps=50, snapshot_interval=1)
    steps = [event.step for event in events.Tensors("picture")]
    assert steps == [*range(1, 50, 2), 50]


def test_without_the_package_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.NstError, match=r"pip install 'nst-tf\[tensorboard\]'"):
        tensorboard.TensorBoardLog(tmp_path / "run", tiny_network.config())
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.OutputError, match="file"):
        tensorboard.TensorBoardLog(tmp_path / "file" / "run", tiny_network.config())


def test_a_stopped_run_is_complete_on_disk(tmp_path):
    config = tiny_network.config(steps=5)
    log = tensorboard.TensorBoardLog(tmp_path, config)

    def stop(report):
        log(report)
        raise results.StopStylizing

    tiny_network.stylize(
        tiny_network.picture(20, 24, seed=1), tiny_network.picture(18, 30, seed=2), config, on_report=stop
    )
    log.close()
    assert len(read(tmp_path).Tensors("run/total")) == 1
