"""AdaIN in `RunInference`, in this process and with a tiny network."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

import apache_beam as beam
from apache_beam.ml.inference import base
from apache_beam.testing import test_pipeline
from apache_beam.testing import util as beam_testing

from nst_tf import configs, errors
from nst_tf.networks import adain
from nst_tf.pictures import guided_filter, images, inputs
from nst_tf.pipelines import model_handler
from tests.tiny import tiny_adain, tiny_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # Beam's own
CONFIG = configs.BatchConfig(max_side_px=32, strength=0.7)


@pytest.fixture
def network(monkeypatch):
    network = tiny_adain.network()
    monkeypatch.setattr(adain, "load", lambda **_: adain.Loaded(network, "float32", {}))
    return network


def test_arrays_tensors_and_the_bytes_of_files_are_stylised_each_as_alone(network):
    style = tiny_network.picture(16, 16, seed=9)
    pictures = [tiny_network.picture(*size, seed=seed) for seed, size in enumerate([(20, 30), (40, 60), (20, 30)])]
    levels = np.rint(pictures[0][0] * 255).astype(np.uint8)
    examples = [pictures[0][0], tf.constant(pictures[1]), images.encode(pictures[2], ".png"), levels]
    handler = model_handler.AdainModelHandler([style], CONFIG)
    results = list(handler.run_inference(examples, handler.load_model()))
    moments = network.style_moments(style)
    for example, result in zip(examples, results, strict=True):
        alone = inputs.read_picture(example, "alone", 32).pixels
        assert result.example is example
        np.testing.assert_allclose(result.inference, network.apply(alone, moments, 0.7)[0], rtol=1e-4, atol=2e-5)
    assert handler.get_num_bytes(examples[2:]) == len(examples[2]) + levels.nbytes


def test_the_guided_filter_acts_on_each_picture(network):
    style, pictures = tiny_network.picture(16, 16, seed=9), [tiny_network.picture(20, 30, seed=seed) for seed in (0, 1)]
    handler = model_handler.AdainModelHandler([style], dataclasses.replace(CONFIG, guided_filter_radius=0.1))
    stylise = handler.load_model()
    for picture, result in zip(pictures, stylise(np.concatenate(pictures)), strict=True):
        plain = network.apply(picture, network.style_moments(style), 0.7).numpy()
        expected = guided_filter.filtered(plain, picture, radius_px=3, epsilon=CONFIG.guided_filter_epsilon)
        np.testing.assert_allclose(result, expected[0], rtol=1e-4, atol=2e-5)


def test_it_runs_in_a_pipeline_of_a_users_own(network):
    handler = model_handler.AdainModelHandler([tiny_network.picture(16, 16, seed=9)], CONFIG)
    pictures = [tiny_network.picture(20, 30, seed=seed)[0] for seed in range(3)]
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        shapes = pipeline | beam.Create(pictures) | base.RunInference(handler) | beam.Map(lambda r: r.inference.shape)
        beam_testing.assert_that(shapes, beam_testing.equal_to([(20, 30, 3)] * 3))


def test_what_is_no_picture_is_named(network):
    handler = model_handler.AdainModelHandler([tiny_network.picture(16, 16, seed=9)], CONFIG)
    with pytest.raises(errors.ImageError, match="Received: "):
        list(handler.run_inference([b"no picture"], handler.load_model()))
    with pytest.raises(errors.ConfigError, match="Received: strength"):
        list(handler.run_inference([], handler.load_model(), {"strength": 1}))


@pytest.mark.parametrize("styles", [(), ("sample:turner",)])
def test_it_takes_a_style_or_a_bundle(styles):
    config = configs.BatchConfig(bundle="models/painting/1") if styles else CONFIG
    with pytest.raises(errors.ConfigError, match="either styles or a bundle"):
        model_handler.AdainModelHandler(styles, config)
