"""What a shell and a container leave of stdout, stderr and temporary folders fails no job."""

import os
import subprocess
import sys

import pytest

from cli import streams
from nst_tf.pictures import images
from tests.system import command_line


def shell(command):
    """Runs a line of shell, in which nst-tf is the program."""
    line = command.replace("nst-tf", f"{sys.executable} -m cli.main")
    return subprocess.run(
        ["bash", "-c", line],
        cwd=command_line.ROOT,
        env=os.environ | {"PYTHONPATH": str(command_line.ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("arguments", ["--help", "stylize --help"])
def test_a_reader_that_has_gone_ends_the_program_in_silence_as_other_tools_end(arguments):
    reader, writer = os.pipe()
    os.close(reader)  # before the program starts, so that whatever it writes meets a closed pipe
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments.split()],
        cwd=command_line.ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=240,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (streams.CLOSED_PIPE, "")


def test_a_closed_stderr_hides_a_mistake_and_no_file_takes_its_place(tmp_path):
    done = shell(f"nst-tf stylize --content={tmp_path}/none.png --style=x --output={tmp_path}/out.png 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


PROGRAM = """import sys; import numpy as np; from cli import program, progress; from nst_tf.pictures import images
main = lambda: (program.load_tensorflow(), program.say('a note'), progress.Progress().close(),
    images.save('out.png', np.full([1, 4, 4, 3], 0.5, np.float32)), 0)[-1]
sys.exit(program.run(main, ['nst-tf'], str))
"""


@pytest.mark.parametrize("redirection", [pytest.param("2>&-", marks=pytest.mark.slow), "0<&- 1>&- 2>&-"])
def test_no_closed_stream_costs_the_picture(tmp_path, redirection):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = shell(f"cd {tmp_path}; {sys.executable} program.py {redirection}")
    assert done.returncode == 0, done.stderr
    assert images.load(tmp_path / "out.png").pixels.shape == (1, 4, 4, 3)


def test_a_full_disk_under_stderr_costs_no_picture(commands, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    job = commands.start(program=tmp_path / "program.py", folder=tmp_path, stderr="/dev/full")
    job.communicate()
    assert job.returncode == 0
    assert images.load(tmp_path / "out.png").pixels.shape == (1, 4, 4, 3)
