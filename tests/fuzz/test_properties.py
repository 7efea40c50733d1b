"""What holds for any bytes, any JSON and any flags."""

import dataclasses
import json
import math

import hypothesis
import pytest
from absl import flags
from hypothesis import strategies as st

from cli import config_flags
from nst_tf import configs, errors, vgg
from nst_tf.pictures import images
from nst_tf.weights import pth
from tests.fuzz import mutation, seeds, targets

FIELDS = {field.name: field for field in dataclasses.fields(configs.StyleTransferConfig)}
HEADS = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"II*\0", b"MM\0*", b"BM", b"GIF89a")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NEAR = st.sampled_from([*vgg.LAYERS, *configs.PRESETS, "lbfgs", "adam", "noise", "mean", "max", "on", 1, 2.5, 0.3])
steady = hypothesis.settings(derandomize=True, deadline=None, max_examples=200, database=None)


@steady
@hypothesis.given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_an_image_error(head, data):
    try:
        picture = images.load(head + data, max_side_px=64)
    except errors.ImageError as error:
        assert "Received: " in str(error)  # noqa: PT017
    else:
        assert picture.pixels.ndim == 4


@steady
@hypothesis.given(st.sampled_from((b"", b"\x80\x02", b"PK\3\4")), st.binary(max_size=200))
def test_any_bytes_are_a_state_dict_or_a_weights_error(head, data):
    try:
        assert isinstance(pth.read(head + data, name="x"), dict)
    except errors.WeightsError as error:
        assert "Received: " in str(error)  # noqa: PT017


@hypothesis.settings(steady, max_examples=100)
@hypothesis.given(st.data())
def test_a_file_with_a_damaged_byte_is_read_or_refused(box, data):
    name = data.draw(st.sampled_from(sorted(targets.TARGETS)))
    good = data.draw(st.sampled_from(targets.TARGETS[name].seeds()))
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    for version in (damaged, mutation.mended(damaged)):
        outcome = box.run(name, version)
        assert outcome.kind in ("read", "refused"), outcome


@steady
@hypothesis.given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=5), JSON | NEAR, max_size=3))
def test_any_settings_are_a_config_that_json_gives_back_or_a_config_error(settings):
    try:
        config = configs.preset(settings.pop("preset", "default"), **settings)
    except errors.ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    again = json.loads(json.dumps(dataclasses.asdict(config)))
    assert configs.StyleTransferConfig(**again) == config
    assert all(math.isfinite(v) for v in dataclasses.asdict(config).values() if isinstance(v, float))


@pytest.fixture(scope="module")
def defined_flags():
    """The flags of nst-tf stylize's settings, defined for this module only."""
    names = [config_flags.flag_name(field) for field in FIELDS.values()]
    names += [field.metadata["alias"] for field in FIELDS.values() if field.metadata["alias"]]
    others = {name: flags.FLAGS[name] for name in names if name in flags.FLAGS}
    for name in others:
        delattr(flags.FLAGS, name)
    config_flags.define(configs.StyleTransferConfig)
    yield names
    for name in names:
        delattr(flags.FLAGS, name)
    for name, flag in others.items():
        flags.FLAGS[name] = flag


@steady
@hypothesis.given(
    st.lists(
        st.tuples(
            st.sampled_from([config_flags.flag_name(field) for field in FIELDS.values()]),
            st.text(max_size=10) | NEAR.map(str) | st.floats().map(str) | st.lists(NEAR, max_size=3).map(repr),
        ),
        max_size=3,
    )
)
def test_any_flags_are_a_config_or_an_error_of_ours(defined_flags, pairs):
    for name in defined_flags:
        flags.FLAGS[name].unparse()
    try:
        flags.FLAGS(["nst-tf stylize", *(f"--{name}={value}" for name, value in pairs)])
        config = config_flags.config_from_flags(configs.StyleTransferConfig)
    except (flags.Error, errors.ConfigError):
        return
    assert isinstance(config, configs.StyleTransferConfig)


@pytest.mark.parametrize("settings", [json.loads(data) for data in seeds.settings()], ids=lambda s: s["preset"])
def test_the_fuzzers_begin_from_good_settings(settings):
    assert configs.preset(settings.pop("preset"), **settings)
