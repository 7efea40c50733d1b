"""Orders are checked by the configurations of the command line, and name no paths."""

import shlex

import pytest

from nst_tf import configs, errors
from nst_tf.serving.page import controls, orders

APP = configs.AppConfig(max_side_px=1024)
ORDER = {"content": "sample:temple", "style": ["sample:turner"]}


def read(**changes):
    return orders.read(ORDER | changes, APP)


def test_an_order_without_settings_is_the_command_lines_default():
    assert read().config == configs.StyleTransferConfig()


def test_a_preset_is_the_command_lines_preset():
    assert read(settings={"preset": "gatys", "steps": 7}).config == configs.preset("gatys", steps=7)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": "/etc/passwd"}, "sample:NAME or picture:NAME"),
        ({"content": "../../secret.png"}, "must be named as"),
        ({"style": ["painting.jpg"]}, "must be named as"),
        ({"method": "multi-style", "style": ["/tmp/my.style"]}, "style:NAME"),
        ({"method": "adain", "style_masks": ["mask.png"]}, "must be named as"),
        ({"settings": {"weights": "/tmp/weights.h5"}}, "left out on a server"),
        ({"settings": {"initialisation": "/etc/passwd"}}, "content or style or noise or adain"),
        ({"method": "adain", "settings": {"decoder": "x.h5"}}, "left out on a server"),
        ({"settings": {"memory_budget_mb": 10**6}}, "left out on a server"),
        ({"settings": {"max_side_px": 4096}}, "at most 1024"),
        ({"settings": {"stepz": 4}}, "Did you mean steps"),
        ({"settings": {"steps": "many"}}, "steps must be of type int"),
        ({"settings": []}, "JSON object"),
        ({"output": "/tmp/out.png"}, "an order has"),
        ({"style": []}, "at least one style"),
        ({"style": ["sample:turner"] * 17}, "at most 16"),
        ({"method": "best"}, "method must be one of"),
        ({"method": "one-style"}, "recolour on a server"),
        ({"method": "adain", "settings": {"strength": 2}}, "at most 1"),
    ],
)
def test_what_the_command_line_or_a_server_would_not_take_is_refused(changes, words):
    with pytest.raises(errors.ConfigError, match=words.replace("(", r"\(")):
        read(**changes)


def test_what_is_no_object_is_refused():
    with pytest.raises(errors.ConfigError, match="JSON object"):
        orders.read(["sample:temple"], APP)


def test_the_command_line_of_an_order_names_every_setting_that_differs():
    order = read(
        method="adain", content="picture:1", style=["sample:turner", "picture:2"],
        settings={"style_blend": [0.7, 0.3], "strength": 0.5, "max_side_px": 256},
    )  # fmt: skip
    line = orders.command_line(order, {"picture:1": "my photo.jpg", "picture:2": "b.png"}, "out.png")
    assert shlex.split(line) == [
        "nst-tf", "stylize", "--content=my photo.jpg", "--style=sample:turner,b.png", "--method=adain", "--size=256",
        "--style_blend=0.7,0.3", "--strength=0.5", "--output=out.png",
    ]  # fmt: skip


def test_the_command_line_of_a_preset_names_what_differs_from_it():
    line = orders.command_line(read(settings={"preset": "photo", "steps": 9}), {}, "out.png")
    assert line == (
        "nst-tf stylize --content=sample:temple --style=sample:turner --preset=photo --steps=9 --output=out.png"
    )


def test_every_setting_is_offered_that_a_visitor_may_choose():
    described = controls.described(APP)["methods"]
    assert set(configs.METHODS) - set(described) == {"one-style"}  # which draws files of styles
    names = {setting["name"] for setting in described["gatys"]["settings"]}
    assert {"style_weight", "steps", "max_side_px", "initialisation"} <= names
    assert not names & {"weights", "memory_budget_mb", "precision"}


def test_a_slider_moves_a_setting_that_its_method_has():
    for method in controls.described(APP)["methods"].values():
        assert set(method["sliders"].values()) <= {setting["name"] for setting in method["settings"]}
        assert method["sliders"]["size"] == "max_side_px"
