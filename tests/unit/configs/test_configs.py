import dataclasses
import json

import pytest

from nst_tf import configs, errors, vgg


@pytest.mark.parametrize("name", ["conv4_2", "block4_conv2", "relu4_2", " conv4_2 "])
def test_a_layer_may_be_named_as_in_the_paper_or_as_in_keras(name):
    assert vgg.layer_name(name) == "conv4_2"


@pytest.mark.parametrize("name", ["conv6_1", "conv1_3", "block4_conv5", "pool4", "", "conv4_2x", "conv44_2"])
def test_an_unknown_layer_is_refused_with_the_choices(name):
    with pytest.raises(errors.ConfigError, match=r"Choose among conv1_1, .*conv5_4"):
        vgg.layer_name(name)


def test_vgg19_has_sixteen_layers_in_order():
    assert len(vgg.LAYERS) == 16
    assert vgg.LAYERS[0] == "conv1_1"
    assert vgg.LAYERS[-1] == "conv5_4"
    assert [vgg.block(layer) for layer in vgg.LAYERS] == [1] * 2 + [2] * 2 + [3] * 4 + [4] * 4 + [5] * 4


def test_layers_of_a_config_are_kept_in_the_papers_names():
    config = configs.StyleTransferConfig(content_layers=("block4_conv2",), style_layers=("relu1_1", "conv5_1"))
    assert config.content_layers == ("conv4_2",)
    assert config.style_layers == ("conv1_1", "conv5_1")
    assert config.layers == ("conv1_1", "conv4_2", "conv5_1")


def test_the_plain_config_is_the_default_preset():
    assert configs.StyleTransferConfig() == configs.preset("default")


def test_explicit_settings_win_over_the_preset():
    config = configs.preset("gatys", steps=7)
    assert config.steps == 7
    assert config.style_weight == configs.preset("gatys").style_weight


def test_a_presets_layer_weights_go_when_its_layers_are_overridden():
    config = configs.preset("gatys-original", style_layers=("conv1_1", "conv2_1"))
    assert config.style_layer_weights == ()


def test_the_ratio_of_the_gatys_preset_is_the_papers():
    config = configs.preset("gatys")
    assert config.content_weight / config.style_weight == pytest.approx(1e-3)
    assert config.reduction == "mean"
    assert config.network == "normalised"


@pytest.mark.parametrize("quality", list(configs.QUALITIES))
def test_a_quality_fills_only_what_is_left_open(quality):
    filled = configs.QUALITIES[quality].settings
    assert configs.preset("photo", quality=quality).steps == filled["steps"]
    config = configs.preset("default", quality=quality, steps=77)
    assert (config.steps, config.coarse_steps) == (77, filled["coarse_steps"])


def test_a_number_of_coarse_evaluations_is_for_each_coarse_size():
    assert configs.preset("default").coarse_growth > 1
    assert configs.preset("default", coarse_steps=50).coarse_growth == 1


def test_the_default_quality_is_good():
    assert configs.preset("photo").quality == configs.StyleTransferConfig().quality == "good"


@pytest.mark.parametrize("name", [name for name in configs.PRESETS if name not in ("default", "photo")])
def test_a_quality_is_refused_with_the_presets_of_papers_and_systems(name):
    assert configs.preset(name).quality is None
    with pytest.raises(errors.ConfigError, match=f"quality is for the presets default and photo.*preset={name}"):
        configs.preset(name, quality="good")


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("gatys", 500),
        ("gatys-original", 500),
        ("equations", 500),
        ("neural-style", 1000),
        ("tensorflow-tutorial", 1000),
        ("keras-example", 500),
    ],
)
def test_presets_without_a_quality_keep_their_work(name, steps):
    config = configs.preset(name)
    assert (config.steps, config.coarse_steps, config.scales) == (steps, 100, 1)
    assert (config.patience, config.min_improvement, config.min_change_levels) == (0, 0.01, 0.0)
    assert (config.content_detail, config.grain) == (0.0, 0.0)


@pytest.mark.parametrize("name", list(configs.PRESETS))
def test_only_the_default_has_the_terms_that_no_paper_has(name):
    config = configs.preset(name)
    expected = (1000.0, 30.0, 1000.0) if name == "default" else (0.0, 0.0, 0.0)
    assert (config.specks_weight, config.frame_weight, config.crosshatch_weight) == expected


@pytest.mark.parametrize("config", [configs.TrainingConfig(), configs.OneStyleTrainingConfig()], ids=type)
def test_a_network_is_trained_on_the_terms_of_its_paper(config):
    goal = config.objective
    assert (goal.specks_weight, goal.frame_weight, goal.crosshatch_weight) == (0, 0, 0)


def test_a_run_from_noise_gets_no_detail_of_the_content():
    assert configs.preset("default").content_detail == 1
    assert configs.preset("default", initialisation="noise").content_detail == 0
    assert configs.preset("default", initialisation="noise", content_detail=0.5).content_detail == 0.5


def test_an_unknown_quality_is_refused():
    with pytest.raises(errors.ConfigError, match=r"quality must be one of draft, good, best\. Received: 'fast'"):
        configs.preset("default", quality="fast")


def test_the_ratio_of_the_equations_preset_is_the_gatys_strength_in_literal_sums():
    config = configs.preset("equations")
    assert config.content_weight / config.style_weight == pytest.approx(2.4e-10, rel=0.02)


def test_the_authors_layer_weights_for_the_original_network_are_one_over_the_filters_squared():
    config = configs.preset("gatys-original")
    assert config.network == "original"
    assert config.style_layer_weights == tuple(1 / n**2 for n in (64, 128, 256, 512, 512))


@pytest.mark.parametrize("name", list(configs.PRESETS))
def test_every_preset_is_a_valid_config_and_json(name):
    config = configs.preset(name)
    restored = configs.StyleTransferConfig(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert restored == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1. Received: 0"),
        ({"steps": 1.5}, "steps must be of type int"),
        ({"steps": "5"}, "steps must be of type int"),
        ({"steps": True}, "steps must be of type int"),
        ({"max_side_px": 8}, r"max_side_px \(--size\) must be at least 16. Received: 8"),
        ({"style_weight": -1.0}, "style_weight must be at least 0"),
        ({"style_weight": float("nan")}, "style_weight must be at least 0. Received: nan"),
        ({"content_weight": float("inf")}, "content_weight must be at least 0. Received: inf"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"noise_stddev": 2}, "above 0 and at most 1"),
        ({"pooling": "median"}, "pooling must be one of average, max. Received: 'median'"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"precision": "float8"}, "precision must be one of"),
        ({"content_layers": ("conv9_1",)}, "Choose among"),
        ({"style_layers": ("conv1_1", "block1_conv1")}, "each layer once"),
        ({"style_layer_weights": (1.0, 2.0)}, "one weight for each of the 5 style layers. Received: 2"),
        ({"style_layer_weights": ("a",)}, "style_layer_weights must be of type"),
        ({"style_blend": (0.0, 0.0)}, "only zeros"),
        ({"content_weight": 0, "style_weight": 0}, "needs a content or a style term"),
        ({"content_layers": (), "style_layers": ()}, "needs a content or a style term"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings, message):
    with pytest.raises(errors.ConfigError, match=message):
        configs.preset("default", **settings)


def test_an_unknown_preset_is_refused_with_the_choices():
    with pytest.raises(errors.ConfigError, match="preset must be one of default, photo, gatys"):
        configs.preset("monet")


def test_an_unknown_setting_is_refused_with_the_choices():
    with pytest.raises(errors.ConfigError, match="no setting 'stepz'"):
        configs.preset("default", stepz=3)


def test_every_setting_teaches():
    for field in dataclasses.fields(configs.StyleTransferConfig):
        assert field.metadata["help"].endswith("."), field.name
        assert field.metadata["example"], field.name


@pytest.mark.parametrize("config_class", [configs.AdainConfig, configs.EvaluationConfig, configs.ExportConfig])
def test_a_configuration_is_one_of_its_class_or_left_out(config_class):
    assert configs.as_config(None, config_class) == config_class()
    assert configs.as_config(config_class(), config_class) == config_class()
    for other in ("gatys", {}, configs.ClientConfig()):
        with pytest.raises(errors.ConfigError, match=f"must be a {config_class.__name__}"):
            configs.as_config(other, config_class)
