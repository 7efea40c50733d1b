import pytest
import tensorflow as tf

from nst_tf import machine, precision


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_precision_that_is_asked_for_is_used(name):
    assert precision.resolve(name)[0] == name


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2", "float32"), ("fpu avx512f avx512_bf16", "mixed_bfloat16"), ("amx_bf16", "mixed_bfloat16")],
)
def test_auto_takes_bfloat16_on_a_cpu_that_has_it(monkeypatch, tmp_path, flags, expected):
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(machine, "_CPU_INFO", cpu_info)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    policy, reason = precision.resolve("auto")
    assert policy == expected
    assert "bfloat16" in reason


def test_auto_takes_float32_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "missing")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert precision.resolve("auto")[0] == "float32"


@pytest.mark.parametrize(("capability", "expected"), [((8, 0), "mixed_float16"), ((6, 1), "float32")])
def test_auto_takes_float16_on_a_gpu_with_tensor_cores(monkeypatch, capability, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["gpu"])
    details = {"compute_capability": capability, "device_name": "a GPU"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    assert precision.resolve("auto")[0] == expected


def test_float16_on_a_cpu_says_that_it_is_slow(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert "slower" in precision.resolve("mixed_float16")[1]
