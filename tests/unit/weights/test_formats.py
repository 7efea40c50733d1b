import io
import zipfile

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import formats
from tests.tiny import tiny_weights, torch_files


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npz", tiny_weights.write_npz),
        (".weights.h5", tiny_weights.write_weights_h5),
        (".h5", tiny_weights.write_legacy_h5),
        (".h5", tiny_weights.write_saved_model_h5),
        (".pth", tiny_weights.write_legacy_pth),
        (".pt", tiny_weights.write_zip_pth),
    ],
)
def test_every_kind_of_file_gives_the_same_weights(tiny, tmp_path, suffix, write):
    path = tmp_path / f"x{suffix}"
    write(path, tiny_weights.convolutions())
    tiny_weights.assert_same(formats.read(path), tiny_weights.convolutions())


@pytest.mark.parametrize("suffix", formats.READERS)
def test_the_case_of_the_suffix_does_not_matter(tmp_path, suffix):
    with pytest.raises(errors.WeightsError, match="No such file"):
        formats.read(tmp_path / f"x{suffix.upper()}")


def test_a_file_that_the_cache_writes_gives_back_its_weights_and_its_record(tiny, tmp_path):
    path = tmp_path / "x.weights.h5"
    path.write_bytes(formats.to_h5(tiny_weights.convolutions(), record="where from"))
    tiny_weights.assert_same(formats.read(path), tiny_weights.convolutions())
    assert formats.read_record(path) == "where from"


@pytest.mark.parametrize("name", ["x.npz", "x.h5", "x.weights.h5", "x.pth", "x.pt"])
@pytest.mark.parametrize("content", [None, b"", b"not weights", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", "folder"])
def test_a_missing_or_garbage_file_is_named_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.WeightsError) as error:
        formats.read(path)
    tiny_weights.assert_one_line(error, str(path), "Received: ")


def test_a_1x1_layer_in_front_that_is_not_the_preprocessing_is_refused(tiny, tmp_path):
    swapped = {"0.weight": tiny_weights.CAFFE_LAYER["0.weight"][::-1].copy()}
    arrays = tiny_weights.CAFFE_LAYER | swapped | tiny_weights.state_dict(tiny_weights.convolutions())
    (tmp_path / "x.pth").write_bytes(torch_files.save(arrays, legacy=False))
    with pytest.raises(errors.WeightsError, match="1x1 layer in front must"):
        formats.read(tmp_path / "x.pth")


def test_another_number_of_convolutions_is_refused(tiny, tmp_path):
    arrays = tiny_weights.state_dict(tiny_weights.convolutions())
    arrays.popitem()
    arrays.popitem()
    (tmp_path / "x.pth").write_bytes(torch_files.save(arrays, legacy=False))
    with pytest.raises(errors.WeightsError, match=r"VGG-19 must have 3 convolutions\. Received: 2"):
        formats.read(tmp_path / "x.pth")


def test_an_npz_with_a_pickle_inside_is_refused(tiny, tmp_path):
    np.savez(tmp_path / "x.npz", **{"block1_conv1/kernel": np.array([{}], object)})
    with pytest.raises(errors.WeightsError, match="block1_conv1/kernel is object"):
        formats.read(tmp_path / "x.npz")


def test_an_npz_whose_header_promises_more_than_it_holds_is_refused(tiny, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 3, 4)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as container:
        container.writestr("block1_conv1/kernel.npy", header.getvalue())
    with pytest.raises(errors.WeightsError, match=r"x\.npz: a file of weights must hold"):
        formats.read(tmp_path / "x.npz")


@pytest.mark.parametrize(("suffix", "write"), [(".npz", tiny_weights.write_npz), (".h5", tiny_weights.write_legacy_h5)])
def test_other_shapes_in_a_file_are_refused(tiny, tmp_path, suffix, write):
    convolutions = tiny_weights.convolutions()
    convolutions["block1_conv2"] = (np.zeros((3, 3, 4, 9), np.float32), np.zeros(9, np.float32))
    write(tmp_path / f"x{suffix}", convolutions)
    with pytest.raises(errors.WeightsError, match=r"\[3, 3, 4, 9\] instead of .*\[3, 3, 4, 5\]"):
        formats.read(tmp_path / f"x{suffix}")
