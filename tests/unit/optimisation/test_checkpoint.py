"""The checkpoint file: what is written is read, and whatever else is refused in one clear error."""

import dataclasses
import hashlib
import json
import os

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.optimisation import checkpoint

STATE = {
    "image": np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3),
    "history": np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32),
    "dots": np.array([[np.pi]], np.float64),
    "pairs": np.array(7, np.int32),
    "iteration": np.array(2**40, np.int64),
    "empty": np.zeros([0, 3], np.float32),
}
IDENTITY = checkpoint.Identity({"steps": 9, "style": ["a"], "seed": 0.1}, {"CPU": "x"})
POSITION = checkpoint.Position(
    done=[3, 2], ended_by=["steps", "steps"], milestone=float("inf"), seconds=1.5, resumed_after_steps=[3]
)
STAGE_STEPS = (3, 6)


def written(folder, state=STATE, position=POSITION, identity=IDENTITY):
    checkpoints = checkpoint.Checkpoints(folder)
    checkpoints.begin(identity, STAGE_STEPS, 1e9, print)
    checkpoints.write(position, state)
    return checkpoints.path


def resumed(folder, identity=IDENTITY, on_message=print):
    return checkpoint.Checkpoints(folder, resume=True).begin(identity, STAGE_STEPS, 1e9, on_message)


def with_header(path, change):
    """Rewrites a file's header as an attacker would: with every checksum right."""
    data = path.read_bytes()
    length = int.from_bytes(data[8:16], "little")
    header = json.loads(data[48 : 48 + length])
    text = json.dumps(change(header)).encode()
    body = data[:8] + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text + data[48 + length : -32]
    path.write_bytes(body + hashlib.sha256(body).digest())


def test_what_is_written_is_read_bit_for_bit(tmp_path):
    written(tmp_path)
    saved = resumed(tmp_path)
    assert saved.position == POSITION
    assert saved.budget_bytes == 1e9
    state = saved.state(STATE)
    assert set(state) == set(STATE)
    for name, value in STATE.items():
        assert state[name].dtype == value.dtype
        assert state[name].shape == value.shape
        assert state[name].tobytes() == value.tobytes()


def test_a_checkpoint_takes_the_place_of_the_last_one(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    checkpoints.begin(IDENTITY, STAGE_STEPS, 1e9, print)
    for steps in (1, 2):
        checkpoints.write(dataclasses.replace(POSITION, done=[steps], ended_by=["steps"]), STATE)
    assert os.listdir(tmp_path) == [checkpoint.FILE_NAME]
    assert resumed(tmp_path).position.steps == 2
    checkpoints.remove()
    assert os.listdir(tmp_path) == []


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, small_files):
    path = written(tmp_path)
    before = path.read_bytes()
    checkpoints = checkpoint.Checkpoints(tmp_path, resume=True)
    checkpoints.begin(IDENTITY, STAGE_STEPS, 1e9, print)
    large = {"image": np.zeros(2**20, np.float32)}
    with small_files(2**20), pytest.raises(errors.OutputError, match=r"File too large.*Lift the limit"):
        checkpoints.write(POSITION, large)
    assert os.listdir(tmp_path) == [checkpoint.FILE_NAME]
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    path = written(tmp_path)
    leftover = tmp_path / f".{checkpoint.FILE_NAME}.tmp-1-2"
    leftover.write_bytes(path.read_bytes()[:100])
    other = tmp_path / ".other.tmp-1-2"
    other.write_bytes(b"not ours")
    assert resumed(tmp_path).position == POSITION
    assert not leftover.exists()
    assert other.exists()


def test_nothing_to_resume_is_refused(tmp_path):
    with pytest.raises(errors.CheckpointError, match=r"must be a checkpoint to resume.*no such file.*start anew"):
        checkpoint.Checkpoints(tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


def test_a_new_run_does_not_replace_the_checkpoint_of_another(tmp_path):
    path = written(tmp_path)
    with pytest.raises(errors.CheckpointError, match="Add --resume"):
        checkpoint.Checkpoints(tmp_path)
    assert path.exists()


@pytest.mark.parametrize("folder", ["/proc/self/none", "{}/file"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, folder):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(errors.OutputError, match=r"[Cc]hoose another folder"):
        checkpoint.Checkpoints(folder.replace("{}", str(tmp_path)))


@pytest.mark.parametrize("interval_s", [-1, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(tmp_path, interval_s):
    with pytest.raises(errors.ConfigError, match="checkpoint_interval_s must be at least 0"):
        checkpoint.Checkpoints(tmp_path, interval_s=interval_s)


def test_an_interval_of_nought_is_always_due_and_a_long_one_is_not(tmp_path):
    for interval_s, due in ((0, True), (1e6, False)):
        checkpoints = checkpoint.Checkpoints(tmp_path, interval_s=interval_s)
        checkpoints.begin(IDENTITY, STAGE_STEPS, 1e9, print)
        assert checkpoints.is_due() is due


def test_each_difference_is_named_with_both_values(tmp_path):
    written(tmp_path)
    other = IDENTITY._replace(run={"steps": 10, "style": ["b"], "seed": 0.1})
    with pytest.raises(errors.CheckpointError) as raised:
        resumed(tmp_path, other)
    assert "steps 10, started with 9; style ['b'], started with ['a']. Give the same ones" in str(raised.value)
    assert "seed" not in str(raised.value)


def test_another_machine_is_told(tmp_path):
    written(tmp_path)
    told = []
    assert resumed(tmp_path, IDENTITY._replace(machine={"CPU": "y"}), told.append)
    assert len(told) == 1
    assert "the last bits" in told[0]
    assert "CPU y, started with x" in told[0]


@pytest.mark.parametrize(
    "like",
    [
        STATE | {"image": np.zeros([1, 4, 2, 3], np.float32)},
        STATE | {"image": STATE["image"].astype(np.float64)},
        STATE | {"more": np.zeros(1)},
        {name: value for name, value in STATE.items() if name != "image"},
    ],
    ids=["shape", "dtype", "more", "fewer"],
)
def test_arrays_of_another_run_are_refused(tmp_path, like):
    written(tmp_path)
    with pytest.raises(errors.CheckpointError, match="other arrays than this run needs"):
        resumed(tmp_path).state(like)


@pytest.mark.parametrize("done", [[], [0], [4], [3, 7], [3, 0], [0, 1], [4, 1], [3, 6, 1], [1] * 99])
def test_a_place_that_the_run_does_not_have_is_refused(tmp_path, done):
    written(tmp_path, position=dataclasses.replace(POSITION, done=done, ended_by=["steps"] * len(done)))
    with pytest.raises(errors.CheckpointError, match="a place that the run does not have"):
        resumed(tmp_path)


def read_all(folder):
    return resumed(folder).state(STATE)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = written(tmp_path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(errors.CheckpointError, match=r"must be whole"):
            read_all(tmp_path)
    path.write_bytes(data + b"\0")
    with pytest.raises(errors.CheckpointError, match="bytes instead of"):
        read_all(tmp_path)
    path.write_bytes(data)
    assert read_all(tmp_path)


def test_a_file_with_any_byte_changed_is_refused(tmp_path):
    path = written(tmp_path)
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= int(generator.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(errors.CheckpointError, match="must be whole"):
            read_all(tmp_path)


def test_a_file_of_random_bytes_is_refused(tmp_path):
    generator = np.random.default_rng(1)
    path = tmp_path / checkpoint.FILE_NAME
    for size in (0, 1, 7, 48, 100, 10_000):
        for start in (b"", checkpoint.MAGIC):
            path.write_bytes(start + generator.bytes(size))
            with pytest.raises(errors.CheckpointError, match="must be whole"):
                read_all(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: [],
        lambda header: None,
        lambda header: header | {"run": []},
        lambda header: header | {"machine": "x"},
        lambda header: header | {"position": {}},
        lambda header: header | {"position": header["position"] | {"more": 1}},
        *(
            lambda header, name=name, value=value: header | {"position": header["position"] | {name: value}}
            for name in ("done", "ended_by", "milestone", "seconds", "resumed_after_steps")
            for value in (-1, "1", True, None, 10**400, float("nan"), [-1], [1.0], [True], [[1]], [None])
        ),
        *(lambda header, value=value: header | {"budget_bytes": value} for value in (None, 1, "1", float("nan"))),
        lambda header: header | {"position": header["position"] | {"seconds": float("inf")}},
        lambda header: header | {"arrays": None},
        lambda header: header | {"arrays": [1]},
        *(
            lambda header, array=array: header | {"arrays": [array, *header["arrays"][1:]]}
            for array in (
                ["image", "object", [24]],
                ["image", "|O", [24]],
                ["image", "float16", [48]],
                ["image", ["float32"], [24]],
                ["image", "float32", [2**62, 2**62]],
                ["image", "float32", [-1, -24]],
                ["image", "float32", [24.0]],
                ["image", "float32", 24],
                ["image", "float32", "24"],
                ["image", "float32", [1] * 100],
                ["image", "float32", [10**4000]],
                ["image", "float32", [0]],
                ["image"],
                ["history", "float32", [24]],
                [["image"], "float32", [24]],
            )
        ),
        lambda header: header | {"arrays": [*header["arrays"], header["arrays"][-1]]},
        lambda header: header | {"padding": "x" * 2**20},
    ],
)
def test_a_forged_header_is_refused(tmp_path, change):
    path = written(tmp_path)
    with_header(path, change)
    with pytest.raises(errors.CheckpointError, match="must be whole"):
        read_all(tmp_path)


def test_a_header_nested_beyond_measure_is_refused(tmp_path):
    path = tmp_path / checkpoint.FILE_NAME
    text = b"[" * 500_000
    path.write_bytes(
        checkpoint.MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text + bytes(32)
    )
    with pytest.raises(errors.CheckpointError, match="must be whole"):
        read_all(tmp_path)


def test_a_forged_size_is_refused_before_memory_is_taken(tmp_path):
    """The file is as long as its header says, 1 TiB, but takes no room on the disk."""
    path = written(tmp_path)
    side = 2**38
    with_header(path, lambda header: header | {"arrays": [["image", "float32", [side]], *header["arrays"][1:]]})
    with open(path, "r+b") as file:
        header_bytes = int.from_bytes(file.read(16)[8:], "little")
        rest = sum(value.nbytes for value in STATE.values()) - STATE["image"].nbytes
        file.truncate(48 + header_bytes + side * 4 + rest + 32)
    saved = resumed(tmp_path)
    with pytest.raises(errors.CheckpointError, match=r"other arrays than this run needs \(image, image\)"):
        saved.state(STATE)


def test_a_folder_in_the_files_place_is_refused(tmp_path):
    (tmp_path / checkpoint.FILE_NAME).mkdir()
    with pytest.raises(errors.CheckpointError, match="no such file"):
        checkpoint.Checkpoints(tmp_path, resume=True)
