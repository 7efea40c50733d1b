import numpy as np
import pytest

import nst_tf
from nst_tf import configs, errors
from nst_tf.weights import known_styles, style_files
from tests.tiny import tiny_multi_style


def read(style, **settings):
    return known_styles.read(style, configs.MultiStyleConfig(**settings))


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """A folder of shipped styles with one in it."""
    style_files.write(tmp_path / "shipped" / "tiny.style", tiny_multi_style.style_file())
    monkeypatch.setattr(style_files, "_shipped_folder", lambda: tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)


def test_a_number_a_name_a_bare_name_and_a_file_are_found(shipped, tmp_path):
    style_files.write(tmp_path / "mine.style", tiny_multi_style.style_file(name="mine"))
    found = read(["style:7", "style:tiny", "tiny", tmp_path / "mine.style"])
    assert found[0] == known_styles.Known(7)
    assert [style.name for style in found[1:]] == ["tiny", "tiny", "mine"]
    assert read(found) == found
    assert read(found[0]) == found[:1]


def test_a_bare_name_that_is_a_file_is_a_picture_and_refused_with_the_way_to_train(shipped, tmp_path):
    (tmp_path / "tiny").write_bytes(b"")
    for picture in ("tiny", "painting.jpg", np.zeros([8, 8, 3])):
        with pytest.raises(errors.StyleError, match="nst-tf train --style") as error:
            read(picture)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["style:", "style:none", "style:-1", "style:²", f"style:{'9' * 5000}"])
def test_names_of_no_style_are_refused(shipped, name):
    with pytest.raises(errors.StyleError, match="must be one of tiny"):
        read(name)


def test_shares_must_fit_the_styles():
    with pytest.raises(errors.ConfigError, match=r"one share for each of the 2 styles\. Received: 1"):
        read(["style:1", "style:2"], style_blend=(1.0,))
    with pytest.raises(errors.StyleError, match="at least one style"):
        read([])


def test_only_learned_styles_name_their_method():
    assert all(map(known_styles.is_learned, ["style:1", "a/b.style", "B.STYLE"]))
    assert not any(map(known_styles.is_learned, ["painting.jpg", "style", "sample:turner", np.zeros(3)]))


@pytest.mark.parametrize("style", ["style:starry-night", "mine.style", ["painting.jpg", tiny_multi_style.style_file()]])
@pytest.mark.parametrize("engine", [nst_tf.StyleTransfer, nst_tf.AdainTransfer])
def test_methods_that_take_paintings_name_those_that_draw_learned_styles(engine, style):
    with pytest.raises(errors.StyleError, match="MultiStyleTransfer"):
        engine()(np.zeros([64, 64, 3], np.float32), style)
