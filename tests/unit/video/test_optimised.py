import numpy as np

from nst_tf import configs
from nst_tf.evaluation import flicker
from nst_tf.losses import objective, on_vgg19
from nst_tf.video import optimised
from tests.tiny import tiny_films, tiny_network

PHOTOGRAPHS = [tiny_films.frame(number) for number in range(4)]
STYLE = tiny_network.picture(40, 40, seed=3)


class TinyNetworks(on_vgg19.SharedNetworks):
    """Gives the tiny network in place of VGG-19."""

    def network(self, config, on_message):
        goal = objective.Objective(extractor=tiny_network.TinyNetwork(), config=config)
        return on_vgg19.Network(goal, "as given", {})


def artist(temporal_weight=1000.0):
    config = tiny_network.config(steps=12, style_weight=1e4, initialisation="noise", content_weight=0.01)
    video = configs.VideoConfig(temporal_weight=temporal_weight, next_steps=6, temporal_distances=(1, 2))
    return optimised.OptimisedArtist(STYLE, config, video, networks=TinyNetworks(config.layers))


def drawn(artist, photographs=PHOTOGRAPHS):
    return [artist.draw(photograph, lambda line: None) for photograph in photographs]


def test_the_temporal_term_lowers_the_flicker():
    without, with_term = (flicker.steadiness(drawn(artist(weight)), PHOTOGRAPHS).flicker for weight in (0.0, 1e5))
    assert with_term < 0.5 * without


def test_a_restored_state_continues_with_the_same_frames():
    first, second = artist(), artist()
    drawn(first, PHOTOGRAPHS[:2])
    second.restore(first.state())
    np.testing.assert_allclose(drawn(second, PHOTOGRAPHS[2:]), drawn(first, PHOTOGRAPHS[2:]), atol=1e-5)


def test_a_cut_starts_as_the_first_frame_does():
    other = np.ascontiguousarray(1 - tiny_films.frame(20)[::-1, ::-1])
    after_cut = drawn(artist(), [PHOTOGRAPHS[0], other])[1]
    np.testing.assert_allclose(after_cut, drawn(artist(), [other])[0], atol=1e-5)
