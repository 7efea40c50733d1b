import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, results
from nst_tf.evaluation import noise
from nst_tf.figures import cell_files, experiments, rendering
from nst_tf.pictures import images
from tests.tiny import tiny_network

LAYERS = {"content_layers": ("conv2_2",), "style_layers": ("conv1_1", "conv2_1")}


def config(**overrides):
    settings = {"max_side_px": 24, "steps": 2, "precision": "float32"} | LAYERS
    return configs.FigureConfig(**(settings | overrides))


def figure_of(**overrides):
    """A figure to be run, with Adam, which is soon traced."""
    figure = experiments.describe(config(**overrides))
    cells = [
        dataclasses.replace(cell, config=dataclasses.replace(cell.config, optimizer="adam")) for cell in figure.cells
    ]
    return dataclasses.replace(figure, cells=tuple(cells))


def two_cells(**overrides):
    return figure_of(name="content-layer", **({"content_layers": ("conv1_2", "conv2_2")} | overrides))


def render(figure, output, *, seed=1, **kwargs):
    messages = []
    result = rendering.render(
        figure,
        tiny_network.picture(20, 24, seed=seed),
        tiny_network.picture(18, 30, seed=2),
        output,
        extractor=kwargs.pop("extractor", tiny_network.TinyNetwork()),
        on_message=messages.append,
        **kwargs,
    )
    return result, messages


def described(name, **settings):
    return experiments.describe(configs.FigureConfig(name=name, **settings))


def test_every_name_has_a_figure():
    assert tuple(experiments.FIGURES) == configs.FIGURES
    for name in configs.FIGURES:
        assert described(name).name == name


def test_every_setting_of_a_figure_teaches():
    for field in dataclasses.fields(configs.FigureConfig):
        assert field.metadata["help"].endswith((".", ".)"))
        assert field.metadata["example"]


def test_the_ratio_grid_is_that_of_2015():
    figure = described("ratio")
    assert figure.column_labels == ("1e-5", "1e-4", "1e-3", "1e-2")
    assert figure.row_labels == ("conv1_1", "+ conv2_1", "+ conv3_1", "+ conv4_1", "+ conv5_1")
    assert len(figure.cells) == 20
    cell = figure.cells[9]
    assert (cell.row, cell.column, cell.label) == (3, 2, "+ conv3_1, 1e-4")
    assert cell.config.style_layers == ("conv1_1", "conv2_1", "conv3_1")
    assert cell.config.style_layer_weights == ()  # each 1 / 3
    assert cell.config.content_weight / cell.config.style_weight == pytest.approx(1e-4)
    assert (cell.config.reduction, cell.config.network) == ("mean", "normalised")


def test_the_ratio_row_is_that_of_2016():
    figure = described("ratio", layout="row")
    assert figure.column_labels == ("1e-4", "1e-3", "1e-2", "1e-1")
    assert {cell.config.style_layers for cell in figure.cells} == {configs.StyleTransferConfig().style_layers}


def test_the_content_layers_are_compared():
    figure = described("content-layer")
    assert [cell.config.content_layers for cell in figure.cells] == [("conv2_2",), ("conv4_2",)]
    assert described("content-layer", content_layers=["relu3_2"]).column_labels == ("conv3_2",)


def test_the_starts_are_content_style_and_four_seeds():
    cells = described("initialisation", seed=7).cells
    starts = [(cell.config.initialisation, cell.config.seed) for cell in cells]
    assert starts == [("content", 7), ("style", 7), ("noise", 7), ("noise", 8), ("noise", 9), ("noise", 10)]
    assert [cell.caption[0] for cell in cells] == list("ABCCCC")


def test_photorealism_shows_both_starts_without_and_with_the_answer():
    cells = described("photorealism").cells
    assert [cell.config.initialisation for cell in cells] == ["content", "noise"] * 2
    assert [1 / cell.config.style_weight for cell in cells] == pytest.approx([1e-2, 1e-3] * 2)
    assert [cell.config.scales > 1 for cell in cells] == [False, False, True, True]
    for name in ("photorealism_weight", "guided_filter_radius"):
        assert [getattr(cell.config, name) > 0 for cell in cells] == [False, False, True, True]


def test_the_answer_takes_over_the_preset_but_for_what_the_figure_sets(monkeypatch):
    preset = configs.Preset(summary="x", settings={"total_variation_weight": 3.0, "scales": 4, "style_weight": 7.0})
    monkeypatch.setitem(configs.PRESETS, configs.FIGURE_ANSWER, preset)
    cell = described("photorealism").cells[-1]
    assert (cell.config.preset, cell.config.total_variation_weight, cell.config.scales) == ("photo", 3.0, 4)
    assert cell.config.style_weight == pytest.approx(1e3)


def test_reconstructions_take_one_layer_of_content_and_growing_sets_of_style():
    cells = described("reconstruction").cells
    assert [cell.config.layers for cell in cells[:5]] == [(f"conv{block}_1",) for block in range(1, 6)]
    assert [cell.config.layers for cell in cells[5:]] == [
        tuple(f"conv{block}_1" for block in range(1, count)) for count in range(2, 7)
    ]
    assert [cell.config.content_weight for cell in cells] == [1.0] * 5 + [0.0] * 5
    assert [cell.config.style_weight > 0 for cell in cells] == [False] * 5 + [True] * 5


@pytest.mark.parametrize("name", ["ratio", "content-layer", "reconstruction"])
def test_the_form_chooses_between_the_full_size_and_coarse_to_fine(name):
    assert {cell.config.scales for cell in described(name).cells} == {1}
    assert {cell.config.scales for cell in described(name, form="coarse-to-fine", scales=2).cells} == {2}
    assert {cell.config.initialisation for cell in described(name).cells} == {"noise"}


@pytest.mark.parametrize(
    ("value", "label"), [(1e-5, "1e-5"), (2.5e-4, "2.5e-4"), (0.1, "1e-1"), (1, "1e0"), (0.3, "3e-1")]
)
def test_ratios_are_written_as_in_the_papers(value, label):
    assert experiments.ratio_label(value) == label


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratios": ()}, "ratios must have at least one value"),
        ({"content_layers": []}, "content_layers must have at least one"),
        ({"style_layers": ()}, "style_layers must have at least one"),
        ({"style_layers": ("conv6_1",)}, "conv6_1"),
        ({"content_layers": ("conv2_2", "relu2_2")}, "content_layers must name each value once"),
        ({"ratios": (1e-3, 1e-3)}, "ratios must name each value once"),
        ({"ratios": (0.0,)}, "ratios must be above 0"),
        ({"name": "fig9"}, "name must be one of ratio, content-layer"),
        ({"name": "content-layer", "ratios": (1e-3, 1e-2)}, "takes 1 ratios. Received: 2"),
        ({"name": "reconstruction", "ratios": (1e-3,)}, "takes no ratios"),
        ({"seed": 2**31 - 1}, "seed must be at least 0 and at most"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(errors.ConfigError, match=message):
        experiments.describe(config(**settings))


@pytest.mark.parametrize("name", configs.FIGURES)
def test_a_figure_writes_grid_cells_records_and_tables(name, tmp_path):
    output = tmp_path / "new" / "grid.png"
    figure = figure_of(name=name)
    result, messages = render(figure, output)
    count = len(figure.cells)
    assert (result.computed, result.kept, result.stopped_early) == (count, 0, False)
    assert sum(message.startswith("cell ") for message in messages) == count
    assert f"cell {count}/{count} {figure.cells[-1].label}" in messages
    assert images.load(output).height_px > 200
    files = {path.name for path in (tmp_path / "new" / "grid.cells").iterdir()}
    places = {f"row{cell.row}-column{cell.column}.png" for cell in figure.cells}
    assert files == places | {f"{place}.json" for place in places}
    with open(output.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [cell.label for cell in figure.cells]
    record = json.loads(output.with_suffix(".json").read_text())
    assert [cell["measured"]["steps"] for cell in record["cells"]] == [2] * count
    assert [cell["config"]["style_weight"] for cell in record["cells"]] == [
        cell.config.style_weight for cell in figure.cells
    ]


def test_cells_that_differ_in_weights_seed_or_start_share_one_traced_step(tmp_path):
    network, traced = tiny_network.TinyNetwork(), []

    def counted(image):
        if not tf.executing_eagerly():
            traced.append(image.shape)
        return network(image)

    ratios = figure_of(name="ratio", layout="row", ratios=(1e-3, 1e-2))
    starts = figure_of(name="initialisation")
    for figure in (ratios, starts):
        traced.clear()
        render(figure, tmp_path / f"{figure.name}.png", extractor=counted)
        assert len(figure.cells) > 1
        assert len(traced) == 1


def test_the_numbers_are_those_of_the_picture(tmp_path):
    result, _ = render(figure_of(name="content-layer", steps=6), tmp_path / "grid.png")
    (row,) = result.rows
    pixels = images.load(tmp_path / row["file"]).pixels
    record = json.loads((tmp_path / f"{row['file']}.json").read_text())
    assert row["total"] == pytest.approx(record["best_loss"], rel=1e-5)
    assert row["content"] + row["style"] == pytest.approx(row["total"], rel=1e-4)
    assert {"content/conv2_2", "style/conv1_1", "style/conv2_1"} <= set(row)
    assert row["mean_green"] == pytest.approx(pixels[..., 1].mean(), rel=1e-4)
    assert row["stddev_blue"] == pytest.approx(pixels[..., 2].std(), rel=1e-4)
    assert row["saturated"] == pytest.approx(np.mean((pixels < 1 / 255) | (pixels > 254 / 255)), rel=1e-4)
    assert row["noise"] == pytest.approx(noise.high_frequency_share(pixels), rel=1e-4)
    assert row["steps"] == 6
    assert row["seconds"] > row["seconds_per_step"] > 0


def test_a_column_of_the_table_is_blank_where_a_cell_has_no_such_layer(tmp_path):
    render(figure_of(name="reconstruction"), tmp_path / "grid.png")
    header, first, *_ = csv.reader((tmp_path / "grid.csv").read_text().splitlines())
    assert header[header.index("total_variation") + 1] == "content/conv2_2"
    assert header[header.index("style/conv2_1") + 1] == "gradient_norm"
    assert first[header.index("style/conv1_1")] == ""


def test_a_finished_figure_is_not_run_again_and_gives_the_same_bytes(finished, tmp_path):
    figure = two_cells()
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fails(image):
        raise AssertionError("the network was called")

    result, messages = render(figure, tmp_path / "grid.png", extractor=fails)
    assert (result.computed, result.kept) == (0, 2)
    assert messages[0] == "cell 1/2 conv1_2: already finished, kept"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_same_seed_gives_the_same_cells(finished, tmp_path):
    figure = two_cells()
    render(figure, tmp_path / "grid.png")
    for cell in figure.cells:
        name = f"row{cell.row}-column{cell.column}.png"
        first, second = ((folder / "grid.cells" / name).read_bytes() for folder in (finished, tmp_path))
        assert first == second
    assert (finished / "grid.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished figure of two cells, grid.png."""
    folder = tmp_path_factory.mktemp("finished")
    render(two_cells(), folder / "grid.png")
    return folder


def damage_picture(path):
    path.write_bytes(path.read_bytes()[:50])


def damage_record(path):
    record_of(path).write_text('{"config": ')


def record_other_settings(path):
    record = json.loads(record_of(path).read_text())
    record["config"]["learning_rate"] = 0.5
    record_of(path).write_text(json.dumps(record))


def remove_record(path):
    record_of(path).unlink()


def remove_picture(path):
    path.unlink()


def record_of(path):
    return path.with_name(f"{path.name}.json")


def test_only_cells_that_do_not_serve_are_run_again(tmp_path):
    changes = (damage_picture, damage_record, record_other_settings, remove_record, remove_picture)
    figure = figure_of(name="ratio", layout="row", ratios=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1))  # one traced step
    render(figure, tmp_path / "grid.png")
    paths = sorted((tmp_path / "grid.cells").glob("*.png"))
    wanted = [path.read_bytes() for path in paths]
    for path, change in zip(paths[1:], changes, strict=True):
        change(path)
    result, messages = render(figure, tmp_path / "grid.png")
    assert (result.computed, result.kept) == (5, 1)
    assert messages[0].endswith("already finished, kept")
    assert [path.read_bytes() for path in paths] == wanted


def test_other_pictures_or_settings_run_every_cell_again(tmp_path):
    settings = {"name": "content-layer"}
    render(figure_of(**settings), tmp_path / "grid.png")
    assert render(figure_of(**settings), tmp_path / "grid.png", seed=9)[0].computed == 1
    assert render(figure_of(**settings, steps=3), tmp_path / "grid.png", seed=9)[0].computed == 1
    assert render(figure_of(**settings, steps=3), tmp_path / "grid.png", seed=9)[0].computed == 0


def stop_in(number):
    def on_report(report):
        if report.number == number:
            raise results.StopStylizing

    return on_report


def test_a_stopped_figure_keeps_its_finished_cells_and_continues(tmp_path):
    figure = two_cells()
    result, _ = render(figure, tmp_path / "grid.png", on_report=stop_in(2))
    assert (result.computed, result.stopped_early, len(result.rows)) == (1, True, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.cells"]
    assert len(list((tmp_path / "grid.cells").iterdir())) == 2
    result, _ = render(figure, tmp_path / "grid.png")
    assert (result.computed, result.kept) == (1, 1)
    assert (tmp_path / "grid.png").exists()


def test_an_error_in_one_cell_keeps_the_finished_ones(tmp_path):
    figure = figure_of(name="reconstruction")
    network = tiny_network.TinyNetwork()

    def only_content(image):
        return {name: f for name, f in network(image).items() if name != "conv2_1"}

    with pytest.raises(KeyError):
        render(figure, tmp_path / "grid.png", extractor=only_content)
    assert (tmp_path / "grid.cells" / "row1-column1.png").exists()
    assert not (tmp_path / "grid.png").exists()


def test_a_report_names_its_cell(tmp_path):
    reports = []
    render(two_cells(), tmp_path / "grid.png", on_report=reports.append)
    assert reports[-1].label == "cell 2/2 conv2_2"
    assert reports[-1].report.step == 2
    assert {report.number for report in reports} == {1, 2}


@pytest.mark.parametrize("taken", ["grid.csv", "grid.json", "grid.cells/row1-column1.png"])
def test_an_output_that_cannot_be_written_is_found_before_any_work(taken, tmp_path):
    (tmp_path / taken).mkdir(parents=True)
    reports = []
    with pytest.raises(errors.OutputError, match=r"row1|grid"):
        render(figure_of(), tmp_path / "grid.png", on_report=reports.append)
    assert reports == []


def test_a_figure_without_cells_is_refused(tmp_path):
    empty = dataclasses.replace(figure_of(), cells=())
    with pytest.raises(errors.ConfigError, match=r"at least one cell.*Received: 0 cells"):
        render(empty, tmp_path / "grid.png")
    assert list(tmp_path.iterdir()) == []


def test_pictures_too_small_for_a_layer_are_refused(tmp_path):
    with pytest.raises(errors.ImageError, match="at least 16 px for conv5_1"):
        cell_files.prepare(described("ratio"), np.zeros([1, 15, 15, 3]), np.ones([20, 20, 3]), tmp_path / "grid.png")
    assert list(tmp_path.iterdir()) == []


def test_samples_are_recorded_by_name_not_by_path(tmp_path):
    job = cell_files.prepare(described("ratio", max_side_px=32), "sample:turner", "sample:cezanne", tmp_path / "g.png")
    assert [picture["name"] for picture in job.pictures[0].identities] == ["sample:turner", "sample:cezanne"]
