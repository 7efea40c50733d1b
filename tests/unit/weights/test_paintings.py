import dataclasses

import numpy as np
import pytest

from nst_tf import errors
from nst_tf.weights import known_styles, multi_style, paintings, style_files
from tests.tiny import tiny_weights


def test_the_network_of_the_package_has_the_pinned_kernels_and_a_row_for_each_shipped_style():
    weights = paintings.load()
    assert weights.sha256 == paintings.SHA256 == multi_style.kernels_sha256(weights.kernels)
    assert multi_style.fault_of_kernels(weights.kernels) == ""
    size = sum(kernel.shape[3] for kernel in weights.kernels.values())
    assert weights.gamma.shape == weights.beta.shape == (len(style_files.shipped_names()), size)


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4 and no archive"])
def test_a_damaged_package_is_named_with_the_fix(monkeypatch, tmp_path, content):
    monkeypatch.setattr(paintings, "FILE", str(tmp_path / "x.npz"))
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(errors.WeightsError) as error:
        paintings.load()
    tiny_weights.assert_one_line(error, "x.npz", "Received: ", "Install nst_tf again")


def test_other_kernels_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(paintings, "FILE", str(tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", **{"contract.0": np.zeros([9, 9, 3, 4], np.float16)})
    with pytest.raises(errors.WeightsError, match=r"Received: other kernels\."):
        paintings.load()


def test_styles_bring_the_network_that_they_were_learned_with():
    shipped = style_files.shipped("redon")
    elsewhere = dataclasses.replace(shipped, network_sha256="0" * 64)
    number = known_styles.Known(3)
    assert known_styles.network_of([shipped], "auto") == known_styles.PAINTINGS
    assert known_styles.network_of([], "auto") == known_styles.PAINTINGS
    assert known_styles.network_of([number, elsewhere], "auto") == multi_style.MAGENTA
    assert known_styles.network_of([number, shipped], "x.onnx") == "x.onnx"
    with pytest.raises(errors.StyleError, match=r"must belong to one network\. Received: style:3 and redon,"):
        known_styles.network_of([number, shipped], "auto")
