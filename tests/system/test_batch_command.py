"""`nst-tf batch` in processes of its own: worker processes, a kill in the middle, mistakes."""

import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest

from nst_tf.pictures import images
from nst_tf.pipelines import jobs
from tests.system import command_line

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

SIDE_PX = 160  # so that a batch takes some time on an idle machine, too
WORKERS = ("--", "--direct_running_mode=multi_processing", "--direct_num_workers=2")


def crops(folder, count):
    """Small different photographs, crops of a sample, upright and lying."""
    photograph = images.load("sample:launch-pad", max_side_px=256).pixels
    for number in range(count):
        height, width = (SIDE_PX, SIDE_PX - 8) if number % 2 else (SIDE_PX - 8, SIDE_PX)
        top, left = number // 3, number
        images.save(folder / f"{number:02}.png", photograph[:, top : top + height, left : left + width])
    return folder


def arguments(folder, output_dir):
    return ("batch", f"--input={folder}/**/*.png", "--style=sample:van-gogh", f"--output_dir={output_dir}")


def settings(**flags):
    return [f"--{name}={value}" for name, value in ({"size": 160, "threads": 1, "batch_size": 2} | flags).items()]


def results(folder):
    return sorted(pathlib.Path(folder).glob("[0-9]*-????????.png"))


def is_alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def workers_of(folder):
    """The pids of Beam's workers that hold the job of an output folder, found by their environment."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            is_worker = b"sdk_worker_main" in (path / "cmdline").read_bytes()
            if is_worker and f"NST_TF_TEST_JOB={folder}".encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def interrupted(command, out, env, signal_number):
    """Runs the command until three more results are there, ends it, and checks that its workers end as well."""
    before = len(results(out))
    process = command_line.start(*command, env=env, start_new_session=True)
    limit = time.monotonic() + 200
    while len(results(out)) < before + 3 and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    workers = workers_of(out)
    if signal_number == signal.SIGINT:
        os.killpg(process.pid, signal_number)  # as a terminal's Ctrl-C, which reaches the workers as well
    else:
        process.send_signal(signal_number)
    _, stderr = process.communicate(timeout=60)
    assert len(workers) >= 2, stderr
    while any(map(is_alive, workers)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not any(map(is_alive, workers)), "workers outlive the job"
    return process.returncode, stderr


@pytest.mark.slow  # over a minute of Beam's workers
@pytest.mark.weights
@pytest.mark.skipif(not pathlib.Path("/proc").is_dir(), reason="looks for worker processes in /proc")
def test_two_worker_processes_are_killed_and_interrupted_and_go_on(tmp_path):
    count = 90  # enough that an idle machine is not done before the second interruption
    photos = crops(tmp_path, count)
    (photos / "99.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    command = (*arguments(photos, out), *settings(), *WORKERS)
    env = {"NST_TF_TEST_JOB": str(out)}
    assert interrupted(command, out, env, signal.SIGKILL)[0] == -signal.SIGKILL
    code, stderr = interrupted(command, out, env, signal.SIGINT)
    assert code == 130
    assert "the same command continues" in stderr
    before = {path: path.stat().st_mtime_ns for path in results(out)}
    assert 6 <= len(before) < count
    assert not (out / jobs.FAILURES).exists()

    code, stdout, stderr = command_line.run(*command, env=env)
    assert code == 1, stderr
    assert stdout == ""
    assert f"wrote {count - len(before)} of {count + 1} pictures" in stderr
    assert f"{len(before)} already finished; 1 failed" in stderr
    after = results(out)
    assert len(after) == len({path.name[:2] for path in after}) == count
    assert all(path.stat().st_mtime_ns == modified for path, modified in before.items())
    for path in after:
        assert images.load(path).pixels.shape[1:3] in ((SIDE_PX, SIDE_PX - 8), (SIDE_PX - 8, SIDE_PX))
    (failure,) = [json.loads(line) for line in (out / jobs.FAILURES).read_text().splitlines()]
    assert failure["input"] == str(photos / "99.png")
    record = json.loads((out / jobs.RECORD).read_text())
    assert record["pictures"]["failed"] == 1
    assert record["config"]["max_side_px"] == 160
    assert len(record["network"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "{}/none/*.jpg"}, ["--input must match", "none/*.jpg"]),
        ({"style": "{}/missing.png"}, ["missing.png"]),
        ({"style": "{}/empty.png"}, ["empty.png"]),
        ({"style": None}, ["--style is missing; give it, or --bundle"]),
        ({"bundle": "{}"}, ["--style must be left out beside --bundle"]),
        ({"bundle": "{}", "style": None}, ["a bundle must have the file assets.extra/manifest.json"]),
        ({"bundle": "{}", "precision": "float32"}, ["Received: bundle with precision"]),
        ({"suffix": ".xyz"}, [".xyz", ".png"]),
        ({"size": "4"}, ["--size", "at least 16"]),
        ({"output_dir": "{}/empty.png/out"}, ["empty.png"]),
        ({"style_blend": "1,2"}, ["style_blend", "Received: 2"]),
        ({"batch_size": "0"}, ["batch_size must be at least 1"]),
        ({"weights": "{}/empty.npz"}, ["empty.npz"]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(commands, tmp_path, change, words):
    images.save(tmp_path / "photo.png", np.full([1, 20, 20, 3], 0.5, np.float32))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "empty.npz").write_bytes(b"")
    flags = {"input": "{}/photo.png", "style": "{}/photo.png", "output_dir": "{}/out", "verbosity": "-1"} | change
    given = [f"--{name}={value.format(tmp_path)}" for name, value in flags.items() if value]
    code, stdout, stderr = commands.run("batch", *given)
    assert code == 2, stderr
    assert stdout == ""
    lines = stderr.strip().splitlines()
    assert len(lines) == (2 if lines[-1].endswith("--help lists the flags.") else 1)
    for word in words:
        assert word in lines[0]
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--direct_num_worker=2", "Received: --direct_num_worker=2. Did you mean --direct_num_workers?"),
        ("--runner=FlinkRuner", "--runner must be one that Beam has here. Received: FlinkRuner"),
    ],
)
def test_a_mistyped_option_of_beam_ends_in_one_line_and_exit_code_2(commands, tmp_path, option, words):
    images.save(tmp_path / "photo.png", np.full([1, 20, 20, 3], 0.5, np.float32))
    files = (f"--input={tmp_path}/photo.png", f"--style={tmp_path}/photo.png", f"--output_dir={tmp_path}/out")
    code, stdout, stderr = commands.run("batch", *files, "--verbosity=-1", "--", option)
    assert (code, stdout) == (2, "")
    (line,) = stderr.strip().splitlines()
    assert words in line


@pytest.mark.slow  # Beam's worker processes; the same job runs in process in tests/unit/pipelines
def test_a_bundle_takes_the_place_of_network_and_style(tmp_path):
    pytest.importorskip("tensorflow_serving", reason="needs the extra [serving]")
    from tests.tiny import tiny_bundle

    bundle = tiny_bundle.export_adain(tmp_path / "painting", images.load("sample:van-gogh", max_side_px=40).pixels)
    photos, out = crops(tmp_path / "photos", 3), tmp_path / "out"
    code, _, stderr = command_line.run(
        "batch", f"--input={photos}/*.png", f"--bundle={bundle}", f"--output_dir={out}", "--size=48", *WORKERS
    )
    assert code == 0, stderr
    assert f"bundle: {bundle}, in float32" in stderr
    assert {images.load(path).pixels.shape[1:3] for path in results(out)} == {(46, 48), (48, 46)}
    (network,) = json.loads((out / jobs.RECORD).read_text())["network"]
    assert network["source"] == str(bundle)
    assert network["licence"] == "none"
    record = json.loads((out / jobs.RECORD).read_text())
    assert record["runner"] == "FnApiRunner"
    assert record["versions"]["apache-beam"]
    code, stdout, stderr = command_line.run(  # where nobody listens
        "batch", f"--input={photos}/*.png", f"--bundle={bundle}", f"--output_dir={out}", "--size=48", "--verbosity=-1",
        "--", "--runner=PortableRunner", "--job_endpoint=localhost:1", "--job_server_timeout=1",
        "--environment_type=LOOPBACK",
    )  # fmt: skip
    assert (code, stdout) == (3, ""), stderr
    assert "nst-tf batch: PortableRunner failed: " in stderr.strip().splitlines()[-1]


def test_help_explains_the_flags_without_tensorflow():
    code, stdout, stderr = command_line.run("batch", "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert code == 0
    assert "tensorflow" not in stderr
    assert "apache_beam" not in stderr
    for word in ("--output_dir=out", "--batch_size=16", "--direct_num_workers=8", jobs.FAILURES):
        assert word in stdout


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path):
    code = f"import sys; sys.modules['apache_beam'] = None; import importlib.util as u; find = u.find_spec; \
u.find_spec = lambda name, *a: None if name == 'apache_beam' else find(name, *a); from cli import batch; \
sys.exit(batch.run(['nst-tf batch', '--input=x', '--style=y', '--output_dir={tmp_path}/out']))"
    process = command_line.subprocess.run(
        [command_line.sys.executable, "-c", code], cwd=command_line.ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    assert "pip install 'nst-tf[beam]'" in process.stderr
    assert not os.path.exists(tmp_path / "out")
