import pytest
import tensorflow as tf

from nst_tf import fastest_convolution
from nst_tf.vgg import forms


@pytest.fixture
def measured(monkeypatch):
    """How often the forms were measured; the measurement itself gives fixed seconds."""
    calls = []
    seconds = dict.fromkeys(forms.FORMS, 1.3) | {"direct": 2.0, "winograd": 1.0}
    monkeypatch.setattr(fastest_convolution, "measure", lambda: calls.append(1) or seconds)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    return calls


def test_the_measurement_is_made_once_and_kept(measured, tmp_path):
    choices = [fastest_convolution.resolve("auto", "float32", tmp_path) for _ in range(2)]
    assert [choice.form for choice in choices] == ["winograd", "winograd"]
    assert "direct 2.00" in choices[1].reason
    assert len(measured) == 1
    fastest_convolution.resolve("auto", "float32", tmp_path, anew=True)
    assert len(measured) == 2


def test_another_number_of_threads_is_measured_anew(measured, tmp_path, monkeypatch):
    fastest_convolution.resolve("auto", "float32", tmp_path)
    monkeypatch.setattr(fastest_convolution, "machine_key", lambda: "another")
    fastest_convolution.resolve("auto", "float32", tmp_path)
    assert len(measured) == 2


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [(fastest_convolution, "_METHOD", 0), (fastest_convolution.version, "__version__", "0")],
)
def test_what_was_measured_in_another_way_or_version_is_measured_anew(
    measured, tmp_path, monkeypatch, where, name, value
):
    fastest_convolution.resolve("auto", "float32", tmp_path)
    monkeypatch.setattr(where, name, value)
    fastest_convolution.resolve("auto", "float32", tmp_path)
    assert len(measured) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"direct": "x"}}'])
def test_a_damaged_file_is_measured_anew(measured, tmp_path, text):
    (tmp_path / fastest_convolution.FILE_NAME).write_text(text)
    assert fastest_convolution.resolve("auto", "float32", tmp_path).form == "winograd"
    assert len(measured) == 1


def test_a_folder_that_cannot_be_written_costs_only_the_measurement(measured, tmp_path):
    (tmp_path / "file").write_text("")
    assert fastest_convolution.resolve("auto", "float32", tmp_path / "file").form == "winograd"


def test_direct_is_kept_where_another_form_gains_little(monkeypatch, tmp_path, measured):
    monkeypatch.setattr(fastest_convolution, "measure", lambda: dict.fromkeys(forms.FORMS, 0.98) | {"direct": 1.0})
    assert fastest_convolution.resolve("auto", "float32", tmp_path).form == "direct"


def test_nothing_is_measured_in_16_bits_or_when_a_form_is_named(measured, tmp_path):
    assert fastest_convolution.resolve("auto", "mixed_bfloat16", tmp_path).form == "direct"
    assert fastest_convolution.resolve("rotated", "float32", tmp_path).form == "rotated"
    assert not measured


def test_the_measurement_times_every_form(monkeypatch):
    sample = fastest_convolution._Sample(channels=2, side=4)
    names = fastest_convolution._samples()
    monkeypatch.setattr(fastest_convolution, "_samples", lambda: dict.fromkeys(names, sample))
    seconds = fastest_convolution.measure()
    assert set(seconds) == set(forms.FORMS)
    assert all(value > 0 for value in seconds.values())


def test_a_form_is_chosen_for_the_layers_where_it_is_fastest(monkeypatch, tmp_path):
    """As on a CPU without AVX-512, where layers with few tiles take longer by Winograd's form."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    seconds = {"direct": 3.0, "rotated": 2.0, "winograd": 1.0}
    of_few = seconds | {"winograd": 5.0}
    monkeypatch.setattr(fastest_convolution, "_seconds", lambda s: (of_few if s.channels == 512 else seconds,) * 2)
    assert fastest_convolution.resolve("auto", "float32", tmp_path).form == "winograd-large"


def test_cpu_seconds_decide_where_other_work_keeps_the_cores_busy(monkeypatch):
    waited = {"direct": 3.0, "rotated": 3.0, "winograd": 9.0}
    computed = {"direct": 3.0, "rotated": 3.0, "winograd": 1.0}
    monkeypatch.setattr(fastest_convolution, "_seconds", lambda sample: (waited, computed))
    seconds = fastest_convolution.measure()
    assert seconds["winograd-all"] < seconds["direct"]


def test_what_threads_gain_by_strips_of_their_own_counts(monkeypatch, tmp_path):
    """As with AVX2 on two threads: with one strip Winograd's form is no faster than rotated, with several it is."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    seconds = {"direct": 3.0, "rotated": 2.0, "winograd": 2.1}
    of_strips = seconds | {"winograd": 1.0}
    strips = fastest_convolution._samples()["strips"]
    monkeypatch.setattr(fastest_convolution, "_seconds", lambda s: (of_strips if s == strips else seconds,) * 2)
    assert fastest_convolution.resolve("auto", "float32", tmp_path).form == "winograd-rotated-large"
