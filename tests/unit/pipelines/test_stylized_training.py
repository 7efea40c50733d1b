import numpy as np
import pytest

from examples import stylized_training
from nst_tf import configs, pipelines
from nst_tf.pictures import images, samples
from tests.tiny import tiny_adain, tiny_network

SIDE_PX = 24
CROPS = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of crops of a sample for each class."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for name in ("launch-pad", "shuttle-landing"):
        pixels = images.load(samples.PREFIX + name, max_side_px=128).pixels
        for number in range(CROPS):
            top, left = (int(generator.integers(side - SIDE_PX)) for side in pixels.shape[1:3])
            images.save(folder / name / f"{number}.png", pixels[:, top : top + SIDE_PX, left : left + SIDE_PX])
    return folder


@pytest.mark.slow  # a training; what it is given has tests of its own in test_augment
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Keras' reader of folders
def test_it_trains_a_classifier_from_folders_the_same_one_again(photos):
    styles = [tiny_network.picture(12, 12, seed=seed) for seed in (5, 6)]
    settings = configs.StyleAugmentConfig(probability=0.5)
    augment = pipelines.StyleAugment(styles, settings, network=tiny_adain.network())

    def train():
        return stylized_training.train(photos, augment, side_px=SIDE_PX, epochs=2, batch_size=6, seed=1)

    model, scores = train()
    assert set(scores) == {"as they are", "stylised"}
    assert all(0 <= score <= 1 for score in scores.values())
    assert model.output_shape == (None, 2)
    for weight, again in zip(model.weights, train()[0].weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), again.numpy(), atol=1e-4)
