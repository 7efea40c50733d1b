import contextlib
import os
import pickle
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import pth
from tests.tiny import torch_files

FORMATS = pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
ARRAYS = {
    "0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "0.bias": np.array([1.5, -2], np.float64),
    "half": np.array([[0.25]], np.float16),
    "steps": np.array([7], np.int64),
}


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def contain(pickled, *, legacy, count=6, content=None):
    """A file whose state dict is this pickle, with one storage "0" of six float32."""
    content = bytes(24) if content is None else content
    if legacy:
        return torch_files.legacy_container(pickled, {"0": (count, content)})
    return torch_files.zip_container(pickled, {"0": content})


def one_tensor(shape, strides, *, legacy, count=6, offset=0, **options):
    opcodes = torch_files.tensor("0", shape, strides, count=count, offset=offset, legacy=legacy, **options)
    return torch_files.state_dict({"w": opcodes})


@FORMATS
def test_tensors_come_back_in_order_with_values_and_types(legacy):
    read = pth.read(torch_files.save(ARRAYS, legacy=legacy), name="x")
    assert list(read) == list(ARRAYS)
    for key, array in ARRAYS.items():
        assert read[key].dtype == array.dtype
        np.testing.assert_array_equal(read[key], array)


@FORMATS
def test_strides_and_offset_are_followed(legacy):
    content = np.arange(7, dtype=np.float32).tobytes()
    pickled = one_tensor([3, 2], [1, 3], count=7, offset=1, legacy=legacy)
    read = pth.read(contain(pickled, legacy=legacy, count=7, content=content), name="x")
    np.testing.assert_array_equal(read["w"], [[1, 4], [2, 5], [3, 6]])


@FORMATS
def test_bfloat16_is_widened(legacy):
    content = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    pickled = one_tensor([2], [1], count=2, kind="BFloat16Storage", legacy=legacy)
    read = pth.read(contain(pickled, legacy=legacy, count=2, content=content), name="x")
    np.testing.assert_array_equal(read["w"], np.array([1.5, -2.0], np.float32))


def test_a_parameter_and_metadata_are_seen_through():
    tensor = torch_files.tensor("0", [6], [1], count=6)
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + tensor + b"\x88" + torch_files.ORDERED_DICT + b"tR"
    pickled = torch_files.state_dict({"w": parameter})[:-1] + b"}" + torch_files.text("_metadata") + b"}sb."
    assert pth.read(contain(pickled, legacy=False), name="x")["w"].shape == (6,)


@FORMATS
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch {marker}",)), (eval, ("open({marker!r}, 'w')",)), (exec, ("open({marker!r}, 'w')",))],
    ids=["system", "eval", "exec"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_a_call_is_refused_and_not_executed(tmp_path, legacy, function, arguments, protocol):
    marker = tmp_path / "executed"
    hostile = Hostile(function, *(argument.format(marker=str(marker)) for argument in arguments))
    for value in (hostile, {"w": hostile}, {hostile: 1}):
        with pytest.raises(errors.WeightsError, match=r"asks for|which plain arrays do not need"):
            pth.read(contain(pickle.dumps(value, protocol), legacy=legacy), name="x")
    assert not marker.exists()


@FORMATS
@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"\x80\x02ccollections\nOrderedDict\n}" + torch_files.text("x") + b"K\x01sb.",
        b"\x80\x02ccollections\nOrderedDict\n]\x85R.",
        b"\x80\x02(" + torch_files.text("module") + b"ctorch\nFloatStorage\ntQ.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02]K\x01a.",
        b"\x80\x02}",
        b"\x80\x02)" + b"\x85" * 40_000 + b".",
        b"\x80\x02})" + b"\x85" * 30_000 + b"K\x01s.",
        b"\x80\x02" + b"N0" * 100_000 + b"}.",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x00.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x00.",
        b"\x80\x02r\xff\xff\xff\xff.",
        b"\x80\x02ebuild.",
    ],
)
def test_a_pickle_that_is_no_state_dict_is_refused(legacy, pickled):
    with pytest.raises(errors.WeightsError) as caught:
        pth.read(contain(pickled, legacy=legacy), name="x")
    assert "\n" not in str(caught.value)


@FORMATS
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ([7], [1], 0),
        ([6], [1], 1),
        ([2, 3], [4, 1], 0),
        ([6], [-1], 5),
        ([-6], [1], 0),
        ([6], [1], -1),
        ([2**39, 2**39], [0, 0], 0),
        ([100], [0], 0),
        ([6], [2**60], 0),
        ([6], [1, 1], 0),
        ([1] * 9, [1] * 9, 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(legacy, shape, strides, offset):
    pickled = one_tensor(shape, strides, offset=offset, legacy=legacy)
    with pytest.raises(errors.WeightsError, match="a tensor"):
        pth.read(contain(pickled, legacy=legacy), name="x")


@FORMATS
@pytest.mark.parametrize("count", [7, 2**38, 2**62, -1])
def test_a_storage_that_claims_more_than_the_file_holds_is_refused(legacy, count):
    pickled = one_tensor([1], [1], count=count, legacy=legacy)
    with pytest.raises(errors.WeightsError, match="storage"):
        pth.read(contain(pickled, legacy=legacy, count=count), name="x")


def test_two_declarations_of_one_storage_are_refused():
    tensors = {"a": torch_files.tensor("0", [6], [1], count=6), "b": torch_files.tensor("0", [3], [1], count=3)}
    with pytest.raises(errors.WeightsError, match="two different declarations"):
        pth.read(contain(torch_files.state_dict(tensors), legacy=False), name="x")


def test_a_compressed_entry_is_refused():
    pickled = one_tensor([2**20], [1], count=2**20, legacy=False)
    bomb = torch_files.zip_container(pickled, {"0": bytes(2**22)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(errors.WeightsError, match="compressed entry"):
        pth.read(bomb, name="x")


def test_a_damaged_storage_of_a_zip_is_refused():
    data = torch_files.save({"w": np.full(64, 3.25, np.float32)}, legacy=False)
    position = data.index(np.float32(3.25).tobytes() * 4)
    with pytest.raises(errors.WeightsError, match="CRC"):
        pth.read(data[:position] + b"\x01" + data[position + 1 :], name="x")


@FORMATS
def test_a_file_cut_off_anywhere_is_refused(legacy):
    data = torch_files.save(ARRAYS, legacy=legacy)
    for size in range(len(data)):
        with pytest.raises(errors.WeightsError):
            pth.read(data[:size], name="x")


@FORMATS
def test_damaged_bytes_give_arrays_or_a_weights_error(legacy):
    data = torch_files.save(ARRAYS, legacy=legacy)
    generator = random.Random(1)
    for _ in range(1000):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 3)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        with contextlib.suppress(errors.WeightsError):
            pth.read(bytes(damaged), name="x")


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        (rb"S'\D'", "operation STRING"),
        (rb"P\D", "operation PERSID"),
        (b"i\\D\n\\D", "operation INST"),
        (b"c\\D\n\\D", r"asks for \\D"),
    ],
)
def test_a_line_with_an_unknown_escape_is_refused_without_a_warning(lines, refused):
    with pytest.raises(errors.WeightsError, match=refused):
        pth.read(torch_files.zip_container(b"\x80\x02" + lines + b"\n.", {}), name="x")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello", b"\x80\x02.", b"\x89HDF\r\n\x1a\n", bytes(100)])
def test_what_is_no_pytorch_file_is_refused_in_one_line(data):
    with pytest.raises(errors.WeightsError, match=r"^x: a PyTorch file must hold") as caught:
        pth.read(data, name="x")
    assert "\n" not in str(caught.value)


def test_reading_needs_neither_pytorch_nor_tensorflow():
    program = "import sys, nst_tf.weights.pth; sys.exit(bool({'torch', 'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
