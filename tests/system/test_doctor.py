"""`nst-tf doctor` from the outside."""

import json

from tests.system import command_line


def test_doctor_shows_the_machine_and_what_auto_chooses_and_remembers_the_measurement(commands, tmp_path):
    (tmp_path / "vgg19-normalised.weights.h5").write_bytes(b"0" * 2**20)
    environment = {"NST_TF_HOME": str(tmp_path)}
    code, stdout, stderr = commands.run("doctor", "--threads=1", env=environment)
    assert code == 0, stderr
    for fact in ("TensorFlow", "CPU features", "hardware threads", "--precision=auto", "--convolution=auto, float32"):
        assert fact.lower() in stdout.lower()
    assert "1 in an operation" in stdout
    assert "vgg19-normalised.weights.h5, 1 MB" in stdout
    assert f"NST_TF_HOME={tmp_path}" in stdout
    kept = json.loads((tmp_path / "convolution.json").read_text())
    assert ["1 threads" in key for key in kept] == [True]


def test_help_of_the_doctor_answers_without_tensorflow():
    code, stdout, _ = command_line.run("doctor", "--help")
    assert code == 0
    assert "--measure" in stdout
