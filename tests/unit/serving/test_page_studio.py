"""The page's studio: what is drawn once for all visitors."""

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.recolouring import recolour
from nst_tf.serving.page import orders, studio
from tests.tiny import tiny_network


class Counting:
    """An engine of one pass that counts its pictures; each is another one."""

    def __init__(self):
        self.drawn = 0
        self.failure = None

    def can_take(self, config):
        return True

    def reconfigure(self, config):
        self.config = config

    def __call__(self, content, style, *, on_message):
        if self.failure:
            raise self.failure
        self.drawn += 1
        on_message(f"picture {self.drawn}")
        pixels = tiny_network.picture(self.config.max_side_px, self.config.max_side_px, seed=self.drawn)
        return recolour(pixels, tiny_network.picture(20, 20), on_message=lambda message: None)


@pytest.fixture
def engine():
    return Counting()


@pytest.fixture
def made(engine):
    """Makes the picture of an order and returns it with what was said."""
    work = studio.Studio(engines={"multi-style": engine})

    def make(content="sample:temple", size=64, load=lambda reference: tiny_network.picture(20, 20), **changes):
        asked = {"method": "multi-style", "content": content, "style": ["style:1"], "settings": {"max_side_px": size}}
        said = []
        result = work.make(orders.read(asked | changes, configs.AppConfig()), load, lambda report: None, said.append)
        return result.image, said

    return make


def test_a_sample_is_drawn_once_and_says_the_same_to_everybody(made, engine):
    first, said = made()
    second, said_again = made()
    assert engine.drawn == 1
    assert np.array_equal(first, second)
    assert said == said_again == ["picture 1"]


@pytest.mark.parametrize("changes", [{"size": 80}, {"style": ["style:2"]}, {"content": "sample:cat"}], ids=str)
def test_another_order_is_drawn_anew(made, engine, changes):
    made()
    made(**changes)
    assert engine.drawn == 2


def test_a_visitors_own_picture_is_drawn_each_time_and_not_kept(made, engine):
    for _ in range(2):
        made(content="picture:1")
    assert engine.drawn == 2


def test_only_the_latest_pictures_are_kept(made, engine, monkeypatch):
    monkeypatch.setattr(studio, "_MOST_KEPT_PIXELS", 2 * 64 * 64)
    for content in ("sample:temple", "sample:cat", "sample:temple", "sample:launch-pad"):
        made(content=content)
    assert engine.drawn == 3
    made(content="sample:temple")
    assert engine.drawn == 3
    made(content="sample:cat")
    assert engine.drawn == 4


def test_what_failed_is_tried_again(made, engine):
    engine.failure = errors.StyleError("no such style")
    with pytest.raises(errors.StyleError):
        made()
    engine.failure = None
    assert made()[1] == ["picture 1"]
