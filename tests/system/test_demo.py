"""What `nst-tf demo` shows before the optimisation, which takes minutes."""

import pytest

from cli import demo
from nst_tf.pictures import images


@pytest.mark.weights
def test_the_demo_has_a_first_picture_in_one_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demo.show_first_picture(size_px=64)
    assert images.load(demo.OUTPUT).pixels.shape == (1, 43, 64, 3)
