"""`nst-tf stylize --checkpoint_dir --resume` from the outside: killed, full disk, other settings, nothing to resume."""

import json
import random
import resource
import signal
import time

import numpy as np
import pytest

from nst_tf.optimisation import checkpoint
from nst_tf.pictures import images
from tests.system import command_line

RUN = (
    "stylize", "--content=sample:launch-pad", "--style=sample:hiroshige", "--size=160", "--steps=6",
    "--coarse_steps=5", "--checkpoint_interval_s=0", "--lbfgs_memory=4",
)  # fmt: skip
STEPS = 11  # two sizes
PATIENCE_S = 600


def stylize(folder, *flags):
    return [*RUN, f"--checkpoint_dir={folder / 'run'}", f"--output={folder / 'out.png'}", *flags]


def result(folder):
    """What must not depend on whether a run was killed: the picture's bytes, the losses, and the best of them."""
    record = json.loads((folder / "out.png.json").read_text())
    same = {name: record[name] for name in ("losses", "best_loss", "steps", "stages", "stopped_early")}
    return (folder / "out.png").read_bytes(), same


def resumed_after(folder):
    return json.loads((folder / "out.png.json").read_text())["resumed_after_steps"]


def being_written(folder):
    return list((folder / "run").glob(f".{checkpoint.FILE_NAME}.tmp-*"))


def kill_in_the_middle_of_writing(process, folder, checkpoints_before):
    """Kills a process while it writes a checkpoint after so many others; whether it was still running by then."""
    path = folder / "run" / checkpoint.FILE_NAME
    seen, last = 0, mark(path)
    deadline_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if mark(path) != last:
            seen, last = seen + 1, mark(path)
        if seen >= checkpoints_before and being_written(folder):
            process.send_signal(signal.SIGSTOP)
            if being_written(folder):
                process.kill()
                process.communicate()
                assert being_written(folder)
                return True
            process.send_signal(signal.SIGCONT)
        time.sleep(1e-3 if seen >= checkpoints_before else 0.02)  # a write takes several milliseconds
    process.communicate()
    return False


def kill_after(process, seconds):
    """Kills a process at a moment; whether it was still running by then."""
    deadline_s = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(1e-3)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running


def mark(path):
    """Tells one file from the next that takes its place."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@pytest.fixture(scope="module")
def whole(commands, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    code, _, stderr = commands.run(*stylize(folder))
    assert code == 0, stderr
    assert list((folder / "run").iterdir()) == []  # removed with the run finished
    assert resumed_after(folder) == []
    return result(folder)


@pytest.mark.weights
def test_a_run_killed_while_it_wrote_ends_as_the_unbroken_one(commands, whole, tmp_path):
    assert kill_in_the_middle_of_writing(commands.start(*stylize(tmp_path)), tmp_path, 2)
    assert not (tmp_path / "out.png").exists()
    code, stdout, stderr = commands.run(*stylize(tmp_path, "--resume"))
    assert code == 0, stderr
    assert stdout == ""
    (step,) = resumed_after(tmp_path)
    assert 2 <= step < STEPS
    assert f"resuming after step {step} of {STEPS}" in stderr
    assert "last bits" not in stderr
    assert result(tmp_path) == whole
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.slow  # Ctrl-C and the library's refusal of other settings have tests of their own
@pytest.mark.weights
def test_a_run_ended_by_sigterm_is_resumed_with_its_settings_only(commands, whole, tmp_path):
    process = command_line.start(*stylize(tmp_path))
    for line in process.stderr:
        if line.startswith("step 1/"):
            break
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert "the same command with --resume continues" in stderr
    assert json.loads((tmp_path / "out.png.json").read_text())["stopped_early"]

    code, _, stderr = commands.run(*stylize(tmp_path))
    assert code == 2
    assert "must not replace the checkpoint of another" in stderr

    code, _, stderr = commands.run(*stylize(tmp_path, "--resume", "--style_weight=100"))
    assert code == 2
    assert "style_weight 100.0, started with 250.0. Give the same ones" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr

    code, _, stderr = commands.run(*stylize(tmp_path, "--resume"))
    assert code == 0, stderr
    assert result(tmp_path) == whole


@pytest.mark.slow  # a test of the library has a full disk as well
@pytest.mark.weights
def test_a_run_goes_on_on_a_full_disk(whole, tmp_path):
    assert kill_in_the_middle_of_writing(command_line.start(*stylize(tmp_path)), tmp_path, 2)
    process = command_line.start(*stylize(tmp_path, "--resume"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2**18, 2**18))  # as a full disk; it still loads TensorFlow
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr
    assert "no checkpoint was written; the last one is kept" in stderr
    assert "File too large" in stderr
    assert result(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("flags", [(), ("--optimizer=adam",), ("--averaging=0.5",)], ids=["lbfgs", "adam", "averaged"])
def test_a_run_killed_at_many_random_moments_ends_as_the_unbroken_one(tmp_path, flags):
    generator = random.Random(0)
    folder = tmp_path / "whole"
    folder.mkdir()
    began_s = time.monotonic()
    code, _, stderr = command_line.run(*stylize(folder, *flags))
    assert code == 0, stderr
    seconds = time.monotonic() - began_s
    expected = result(folder)
    kills = finished = 0
    while kills < 20 or finished < 3:
        folder = tmp_path / f"{finished}"
        folder.mkdir(exist_ok=True)
        has_checkpoint = (folder / "run" / checkpoint.FILE_NAME).exists()
        process = command_line.start(*stylize(folder, *flags, *(["--resume"] if has_checkpoint else [])))
        if generator.random() < 0.5:
            was_killed = kill_in_the_middle_of_writing(process, folder, generator.randrange(4))
        else:
            was_killed = kill_after(process, generator.uniform(0.3, 1.2) * seconds)
        kills += was_killed
        if not was_killed:
            assert process.returncode == 0
            assert result(folder) == expected
            assert list((folder / "run").iterdir()) == []
            finished += 1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "good.png").write_bytes(images.encode(np.full([1, 40, 40, 3], 0.5, np.float32), ".png"))
    (folder / "file").write_text("a file where a folder should be")
    (folder / "damaged").mkdir()
    (folder / "damaged" / checkpoint.FILE_NAME).write_bytes(checkpoint.MAGIC + bytes(100))
    return folder


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--resume"], ["--resume needs --checkpoint_dir"]),
        (["--resume", "--checkpoint_dir={}/none"], ["none/stylize.checkpoint", "no such file", "start anew"]),
        (["--resume", "--checkpoint_dir={}/damaged"], ["damaged/stylize.checkpoint", "must be whole", "Remove it"]),
        (["--checkpoint_dir={}/damaged"], ["must not replace the checkpoint", "--resume"]),
        (["--checkpoint_dir={}/file"], ["file/stylize.checkpoint", "choose another folder"]),
        (["--checkpoint_dir=/proc/self"], ["/proc/self/stylize.checkpoint", "must be writable"]),
        (["--checkpoint_dir={}/new", "--checkpoint_interval_s=-1"], ["checkpoint_interval_s must be at least 0"]),
        (["--checkpoint_dir={}/new", "--checkpoint_interval_s=x"], ["checkpoint_interval_s"]),
    ],
    ids=lambda value: "+".join(value) if value[0].startswith("--") else "",
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(commands, pictures, tmp_path, flags, words):
    flags = [flag.replace("{}", str(pictures)) for flag in flags]
    named = (f"--{name}={pictures / 'good.png'}" for name in ("content", "style"))
    done = commands.run("stylize", *named, f"--output={tmp_path / 'out.png'}", *flags)
    command_line.assert_refused_in_one_line(*done, words)
    assert list(tmp_path.iterdir()) == []
