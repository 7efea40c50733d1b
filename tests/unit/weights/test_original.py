"""The original network: asked of Keras' host, or recovered from two packages."""

import socket
import time

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import original
from tests.tiny import tiny_weights, torch_files


def recovered(changes=None):
    content = torch_files.save(tiny_weights.eight_bit_state_dict() | (changes or {}), legacy=True)
    return original.recovered(tiny_weights.convolutions(), content)


def test_weights_and_biases_come_back_to_the_rounding_of_float32(tiny):
    layers = recovered()
    for layer, (kernel, bias) in tiny_weights.original_convolutions().items():
        np.testing.assert_allclose(layers[layer][0], kernel, rtol=1e-6)
        np.testing.assert_array_equal(layers[layer][1], bias)


def test_a_filter_without_a_bias_gets_its_scale_from_its_weights(tiny, monkeypatch):
    normalised, eight_bit = tiny_weights.convolutions(), tiny_weights.eight_bit_state_dict()
    normalised["block1_conv1"][1][2] = 0
    eight_bit["block1_conv1_b"][2] = 0
    monkeypatch.setattr(original, "_OWN_CLUSTER_SHARE", 0.9)  # one weight of 100 lies near another value
    layers = original.recovered(normalised, torch_files.save(eight_bit, legacy=True))
    expected = tiny_weights.original_convolutions()["block1_conv1"][0]
    np.testing.assert_allclose(layers["block1_conv1"][0][..., 2], expected[..., 2], rtol=0.02)
    assert layers["block1_conv1"][1][2] == 0


def test_two_files_of_different_networks_are_refused(tiny):
    other = tiny_weights.eight_bit_state_dict()["block1_conv2_W_q"][::-1]
    with pytest.raises(errors.WeightsError) as error:
        recovered({"block1_conv2_W_q": np.ascontiguousarray(other)})
    tiny_weights.assert_one_line(error, "block1_conv2", "99.9%", "Received: ", "--weights=PATH")


@pytest.mark.parametrize("part", ["W_q", "W_table", "b"])
def test_a_file_of_another_form_is_refused(tiny, part):
    with pytest.raises(errors.WeightsError) as error:
        recovered({f"block1_conv2_{part}": np.zeros(3, np.float32)})
    tiny_weights.assert_one_line(error, f"block1_conv2_{part} must be", "Received: float32 [3]")


def test_a_host_that_never_answers_is_given_up_in_time(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        monkeypatch.setattr(original, "_KERAS_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/x.h5")
        monkeypatch.setattr(original, "_ANSWER_TIMEOUT_S", 0.3)
        monkeypatch.setattr(original, "_is_kept_by_keras", lambda: False)
        began = time.monotonic()
        with pytest.raises(errors.WeightsError, match="Keras cannot obtain its VGG-19 weights"):
            original.download(lambda _: None)
        assert time.monotonic() - began < 60


def test_ten_seconds_are_what_the_host_has_to_answer():
    assert original._ANSWER_TIMEOUT_S == 10
