import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import onnx
from tests.tiny import tiny_multi_style

ARRAYS = {"a.w": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "b": np.float32([-1.5, 300])}
FILE = tiny_multi_style.onnx(ARRAYS)
field = tiny_multi_style.field


def read(content):
    return onnx.initialisers(content, name="x.onnx")


def test_float_initialisers_are_read_in_order_with_their_shapes():
    found = read(FILE)
    assert list(found) == ["a.w", "b"]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32
        assert found[name].flags.writeable


def test_dimensions_may_be_packed():
    graph = field(5, tiny_multi_style.tensor("a", ARRAYS["a.w"], packed=True))
    np.testing.assert_array_equal(read(field(7, graph))["a"], ARRAYS["a.w"])


def test_tensors_of_other_types_and_fields_that_are_not_known_are_passed_over():
    other = field(5, tiny_multi_style.tensor("a", ARRAYS["b"], kind=7))
    fixed = b"\xa5\x06abcd" + b"\xa1\x06abcdefgh"  # fields 100 of 4 and of 8 bytes
    assert read(fixed + field(7, other)) == {}
    assert read(b"") == {}


BETWEEN_FIELDS = {0, 2, 11}  # version, producer, then the graph


@pytest.mark.parametrize("length", sorted(set(range(len(FILE))) - BETWEEN_FIELDS))
def test_a_file_cut_within_a_field_is_refused(length):
    with pytest.raises(errors.WeightsError, match=r"x\.onnx: the file must be a whole ONNX model"):
        read(FILE[:length])


def test_a_model_without_its_graph_has_no_tensors():
    assert all(read(FILE[:length]) == {} for length in BETWEEN_FIELDS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x3a\xff\xff\xff\xff\x0f", "its end is missing"),
        (b"\xff" * 20, "more than 10 bytes"),
        (b"\x3b", "wire type 3"),
        (field(7, 5), "a number where a message should be"),
        (field(7, field(5, field(1, 2**40) + field(2, 1) + field(8, b"a") + field(9, b""))), "0 bytes for a tensor"),
        (field(7, field(5, field(1, 1) * 9)), "more than 8 dimensions"),
        (field(7, field(5, field(1, b"\x01" * 100))), "more than 8 dimensions"),
        (field(7, field(5, field(8, b"\xff"))), "codec can't decode"),
        (field(7, field(5, tiny_multi_style.tensor("a", ARRAYS["b"])) * 2), "two tensors of the name 'a'"),
    ],
)
def test_what_is_no_onnx_file_is_refused_in_one_line(content, words):
    with pytest.raises(errors.WeightsError, match=words) as error:
        read(content)
    assert "\n" not in str(error.value)
