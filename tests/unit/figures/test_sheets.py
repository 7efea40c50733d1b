"""Contact sheets, with a tiny network; the pictures on them are those of the engines."""

import dataclasses

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.figures import sheet_cells, sheets
from nst_tf.networks import adain, one_pass
from nst_tf.pictures import images
from nst_tf.weights import style_files
from tests.tiny import tiny_adain, tiny_network

CONFIG = configs.SheetConfig(strengths=(0.5, 1.0), max_side_px=32)


@pytest.fixture
def folder(tmp_path):
    """A content picture and two styles."""
    for number, name in enumerate(("photo", "a", "b")):
        images.save(tmp_path / f"{name}.png", tiny_network.picture(32, 40, seed=number))
    return tmp_path


@pytest.fixture
def network(monkeypatch):
    network = tiny_adain.network()
    monkeypatch.setattr(adain, "load", lambda **_: adain.Loaded(network, "float32", {}))
    return network


def plan(folder, styles=("a.png", "b.png"), **settings):
    config = dataclasses.replace(CONFIG, **settings)
    paths = [style if style.startswith("style:") or style == "all" else str(folder / style) for style in styles]
    return sheet_cells.plan(folder / "photo.png", paths, folder / "sheet.png", config)


def test_a_sheet_has_a_row_for_each_style_and_method_and_a_column_for_each_strength(folder):
    sheet = plan(folder, styles=("a.png", "style:redon", "b.png"), methods=("adain", "gatys", "multi-style"))
    assert sheet.row_labels == ("a, adain", "a, gatys", "redon, multi-style", "b, adain", "b, gatys")
    assert sheet.column_labels == ("0.5", "1")
    assert [(cell.row, cell.column, cell.config.strength) for cell in sheet.cells[:4]] == [
        (1, 1, 0.5), (1, 2, 1.0), (2, 1, 0.5), (2, 2, 1.0),
    ]  # fmt: skip
    assert len({cell.path for cell in sheet.cells}) == 10


def test_blends_go_from_each_style_to_the_next(folder):
    sheet = plan(folder, strengths=(1.0,), blends=5)
    assert sheet.row_labels == ("a to b, adain",)
    assert [cell.config.style_blend for cell in sheet.cells] == [
        (1.0, 0.0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.0, 1.0),
    ]  # fmt: skip


def test_all_styles_are_those_that_come_with_the_package_four_in_a_row(folder):
    sheet = plan(folder, styles=("all",), strengths=(1.0,))
    assert [cell.styles for cell in sheet.cells] == [(f"style:{name}",) for name in style_files.shipped_names()]
    assert [(cell.row, cell.column) for cell in sheet.cells[3:5]] == [(1, 4), (2, 1)]
    assert sheet.cells[0].caption.endswith(", multi-style")


@pytest.mark.parametrize(
    ("styles", "settings", "words"),
    [
        (("a.png",), {"methods": ("multi-style",)}, "--methods=multi-style needs a learned style"),
        (("style:redon",), {"methods": ("gatys",)}, "--methods=gatys needs a picture among the styles"),
        (("a.png",), {"strengths": (1.0,), "blends": 3}, "blends need two styles for adain"),
    ],
)
def test_styles_that_no_method_draws_are_refused(folder, styles, settings, words):
    with pytest.raises(errors.ConfigError, match=words):
        plan(folder, styles, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methods": ("wct",)}, "methods must be some of gatys, adain, multi-style"),
        ({"blends": 2}, "blends must be at least 3"),
        ({"blends": 3, "strengths": (0.5, 1.0)}, "blends and strengths exclude each other"),
        ({"strengths": ()}, "strengths must have at least one value"),
        ({"strengths": (2.0,)}, "strengths must be at least 0 and at most 1"),
    ],
)
def test_settings_that_draw_nothing_are_refused(settings, words):
    with pytest.raises(errors.ConfigError, match=words):
        configs.SheetConfig(**settings)


def test_another_setting_or_picture_is_another_file(folder):
    first = plan(folder).cells[0].path
    assert plan(folder).cells[0].path == first
    assert plan(folder, colours="content").cells[0].path != first
    images.save(folder / "a.png", tiny_network.picture(32, 40, seed=9))
    assert plan(folder).cells[0].path != first


def test_each_picture_is_that_of_its_engine_and_is_not_drawn_again(network, folder):
    styles = [folder / "a.png", folder / "b.png"]
    result = sheets.draw_sheet(folder / "photo.png", styles, folder / "sheet.png", CONFIG)
    assert (result.computed, result.kept) == (4, 0)
    for cell in plan(folder).cells:
        expected = one_pass.AdainTransfer(cell.config)(folder / "photo.png", cell.styles).image
        np.testing.assert_allclose(images.load(cell.path).pixels, expected, atol=0.51 / 255)
    page = images.load(folder / "sheet.png")
    assert page.height_px > 2 * 200  # pictures are enlarged to 200 px, and there are two rows
    result = sheets.draw_sheet(folder / "photo.png", styles, folder / "sheet.png", CONFIG)
    assert (result.computed, result.kept) == (0, 4)


def test_a_sheet_that_was_interrupted_continues(network, folder):
    def stop(message):
        if message.startswith("picture 3/4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sheets.draw_planned(plan(folder), on_message=stop)
    assert not (folder / "sheet.png").exists()
    result = sheets.draw_planned(plan(folder))
    assert (result.computed, result.kept) == (2, 2)
