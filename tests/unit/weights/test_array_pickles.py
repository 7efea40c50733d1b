import contextlib
import pickle

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import array_pickles

ARRAYS = {
    "net": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "bias": np.array([1.5], np.float64)},
    "steps": np.array([7, 8], np.int64),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
}


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [3, 4])
def test_nested_arrays_come_back_with_values_and_types(protocol):
    read = array_pickles.read(pickle.dumps(ARRAYS, protocol), name="x")
    assert list(read) == list(ARRAYS)
    for received, expected in (
        (read["net"]["kernel"], ARRAYS["net"]["kernel"]),
        (read["net"]["bias"], ARRAYS["net"]["bias"]),
        (read["steps"], ARRAYS["steps"]),
        (read["columns"], ARRAYS["columns"]),
    ):
        assert received.dtype == expected.dtype
        np.testing.assert_array_equal(received, expected)


def test_a_pickle_that_asks_for_a_call_is_refused_and_not_executed(tmp_path):
    marker = tmp_path / "executed"
    hostile = Hostile(exec, f"open({str(marker)!r}, 'w')")
    for value in (hostile, {"w": hostile}, {"w": [hostile]}):
        with pytest.raises(errors.WeightsError, match="asks for"):
            array_pickles.read(pickle.dumps(value, 3), name="x")
    assert not marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps([1]),
        pickle.dumps({"w": np.array([object()])}, 3),
        pickle.dumps({"w": np.zeros(3, ">f4")}, 3),
        pickle.dumps({"w": np.zeros(3, "f4")}, 3).replace(b"K\x03\x85", b"K\x04\x85"),
        pickle.dumps({"w": np.zeros(3, "f4")}, 3)[:-8],
        b"\x80\x03cnumpy\nndarray\n)R.",
        b"\x80\x03}(cnumpy\nndarray\n}ub.",
    ],
)
def test_anything_else_is_refused_in_one_line(data):
    with pytest.raises(
        errors.WeightsError, match=r"^x: the file must hold dictionaries of arrays\. Received: .+"
    ) as error:
        array_pickles.read(data, name="x")
    assert "\n" not in str(error.value)


def test_damaged_bytes_give_a_dictionary_or_a_weights_error():
    data = bytearray(pickle.dumps(ARRAYS, 3))
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for position in generator.integers(len(data), size=3):
            damaged[position] = generator.integers(256)
        with contextlib.suppress(errors.WeightsError):
            assert isinstance(array_pickles.read(bytes(damaged), name="x"), dict)
