"""The program for GPUs runs on a CPU, from anywhere, without this project."""

import shutil
import subprocess
import sys

from tests.system import command_line


def test_every_format_takes_a_step_on_a_cpu(tmp_path):
    program = shutil.copy(command_line.ROOT / "benchmarks" / "gpu" / "step.py", tmp_path)
    (tmp_path / "nst_tf.py").write_text("raise ImportError('the program is to stand alone')")  # found first
    options = ["--sizes=32", "--steps=1", "--rounds=1", "--matrix_side=64", "--noplain_torch"]
    done = subprocess.run(
        [sys.executable, program, "--backend=tensorflow", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| 32 |")]
    assert [row[1] for row in rows] == ["float32", "tf32", "bfloat16", "float16"]
    for row in rows:
        assert "failed" not in row[3], row
        assert float(row[3]) > 0
