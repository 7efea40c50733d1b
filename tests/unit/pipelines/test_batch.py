"""The pipeline in this process, with a tiny network; tests/system runs worker processes and the real one."""

import json
import os
import shutil

import numpy as np
import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from PIL import Image

from nst_tf import configs, errors
from nst_tf.export import manifest, model_card
from nst_tf.networks import adain, one_pass
from nst_tf.pictures import images
from nst_tf.pipelines import batch, jobs, model_handler
from tests.tiny import tiny_adain, tiny_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # Beam's own


@pytest.fixture
def network(monkeypatch):
    network = tiny_adain.network()
    monkeypatch.setattr(adain, "load", lambda **_: adain.Loaded(network, "float32", {}))
    return network


@pytest.fixture
def folder(tmp_path):
    """Photographs of three sizes, a style, and an empty folder for the results."""
    return filled(tmp_path)


def filled(tmp_path):
    for number, size in enumerate([(20, 30), (20, 30), (20, 30), (31, 17), (40, 60)]):
        images.save(tmp_path / "photos" / f"{number}.png", tiny_network.picture(*size, seed=number))
    images.save(tmp_path / "style.png", tiny_network.picture(16, 16, seed=9))
    return tmp_path


def describe(folder, **settings):
    config = configs.BatchConfig(**{"max_side_px": 32, "batch_size": 2} | settings)
    return jobs.describe([str(folder / "photos" / "**")], [str(folder / "style.png")], str(folder / "out"), config)


def run(folder, **settings):
    return batch.run(describe(folder, **settings))


def results(folder, stem="*"):
    return sorted(path for path in (folder / "out").glob(f"{stem}-????????.*"))


def failures(folder):
    return [json.loads(line) for line in (folder / "out" / jobs.FAILURES).read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder after a job that wrote all five pictures, the job's summary, and the shapes of its batches."""
    folder, network, shapes = tmp_path_factory.mktemp("finished"), tiny_adain.network(), []
    load = model_handler.AdainModelHandler.load_model

    def recorded(handler):
        model = load(handler)
        return lambda pixels: shapes.append(pixels.shape) or model(pixels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adain, "load", lambda **_: adain.Loaded(network, "float32", {}))
        patch.setattr(model_handler.AdainModelHandler, "load_model", recorded)
        return filled(folder), run(folder, strength=0.7), shapes


@pytest.fixture
def done(finished, folder):
    """A folder of one's own that has the results of the finished job."""
    shutil.copytree(finished[0] / "out", folder / "out")
    return folder


def test_each_result_is_that_of_the_picture_alone(network, finished):
    folder, summary, _ = finished
    assert summary[:4] == (5, 0, 0, 0)
    style = network.style_moments(images.load(folder / "style.png", max_side_px=32).pixels)
    for number in range(5):
        picture = images.load(folder / "photos" / f"{number}.png", max_side_px=32)
        (path,) = results(folder, str(number))
        expected = network.apply(picture.pixels, style, 0.7)
        np.testing.assert_allclose(images.load(path).pixels, expected, atol=1.01 / 255)
    assert not (folder / "out" / jobs.FAILURES).exists()


def test_masks_by_name_colours_and_transparency_are_those_of_the_picture_alone(network, folder):
    left = np.zeros([1, 20, 30, 3], np.float32)
    left[:, :, :15] = 1
    for number in range(3):
        images.save(folder / "masks" / f"{number}.png", left if number else 1 - left)
    for number in (3, 4):
        (folder / "photos" / f"{number}.png").unlink()
    alpha = left[..., :1].round()
    images.save(folder / "photos" / "2.png", tiny_network.picture(20, 30, seed=2), alpha=alpha)
    config = configs.BatchConfig(max_side_px=32, batch_size=2, colours="content")
    style = str(folder / "style.png")
    job = jobs.describe(
        [str(folder / "photos" / "**")], [style], str(folder / "out"), config, style_masks=[str(folder / "masks")]
    )
    assert batch.run(job)[:4] == (3, 0, 0, 0)
    alone = one_pass.AdainTransfer(configs.AdainConfig(max_side_px=32, style_max_side_px=32, colours="content"))
    for number in range(3):
        photo, mask = (folder / name / f"{number}.png" for name in ("photos", "masks"))
        (path,) = results(folder, str(number))
        expected = alone(photo, style, style_masks=[mask])
        expected.save(folder / "expected.png")
        received = images.load(path)
        np.testing.assert_allclose(received.pixels, images.load(folder / "expected.png").pixels, atol=1.01 / 255)
    assert received.alpha is not None


def test_a_batch_holds_one_size_and_at_most_batch_size(finished):
    assert sorted(finished[2]) == [(1, 20, 30, 3), (1, 21, 32, 3), (1, 31, 17, 3), (2, 20, 30, 3)]


def test_a_run_goes_on_where_results_are_missing_and_touches_no_others(network, done):
    for path in results(done)[:2]:
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in results(done)}
    assert run(done, strength=0.7)[:4] == (2, 3, 0, 0)
    assert len(results(done)) == 5
    assert {path: path.stat().st_mtime_ns for path in before} == before


NO_TEXT = os.fsdecode(b"caf\xe9"), os.fsdecode(b"na\xefve")  # names that are no UTF-8
ALPHA = np.linspace(0, 1, 600, dtype=np.float32).reshape(1, 20, 30, 1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder after one job on pictures of every kind, good and bad, and the job's summary."""
    folder, network = filled(tmp_path_factory.mktemp("mixed")), tiny_adain.network()
    photos = folder / "photos"
    good = (photos / "4.png").read_bytes()
    (photos / "cut.png").write_bytes(good[: len(good) // 2])
    (photos / "text.png").write_text("no picture\n")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "link.png").symlink_to("nowhere")
    images.save(photos / "small.png", tiny_network.picture(4, 30))
    images.save(photos / f"{'x' * 246}.png", tiny_network.picture(20, 30))  # whose result has too long a name
    (photos / "other").mkdir()
    shutil.copy(photos / "0.png", photos / "other" / "0.png")
    shutil.copy(photos / "2.png", photos / "other" / "1.png")
    images.save(photos / "alpha.png", tiny_network.picture(20, 30), alpha=ALPHA)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    lying = Image.fromarray((tiny_network.picture(20, 30)[0] * 255).astype(np.uint8))
    lying.save(photos / "lying.jpg", exif=exif)
    lying.convert("L").save(photos / "grey.png")
    shutil.copy(photos / "0.png", photos / f"{NO_TEXT[0]}.png")
    (photos / f"{NO_TEXT[1]}.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adain, "load", lambda **_: adain.Loaded(network, "float32", {}))
        return folder, run(folder)


def test_a_bad_picture_is_listed_and_stops_nothing(mixed):
    folder, summary = mixed
    assert summary[:4] == (10, 0, 1, 7)
    assert len(results(folder)) == 10
    listed = {os.path.basename(record["input"]): record for record in failures(folder)}
    assert list(listed) == [os.path.basename(record["input"]) for record in failures(folder)] == sorted(listed)
    for name in ("cut.png", "empty.jpg", "link.png", "small.png", "text.png"):
        assert listed[name]["error"] == "ImageError"
        assert name in listed[name]["message"]
    assert len(listed) == 7


def test_the_list_of_failures_is_that_of_the_last_run(network, done):
    (done / "out" / jobs.FAILURES).write_text("{}\n")
    assert run(done, strength=0.7)[:4] == (0, 5, 0, 0)
    assert not (done / "out" / jobs.FAILURES).exists()


def test_the_same_picture_in_two_folders_is_stylised_once(mixed):
    folder, _ = mixed
    assert len(results(folder, "0")) == 1  # the summary has one that is repeated
    assert len(results(folder, "1")) == 2


def test_a_result_that_cannot_be_written_is_listed(mixed):
    (record,) = [record for record in failures(mixed[0]) if "xxx" in record["input"]]
    assert record["error"] == "OutputError"


def test_alpha_orientation_and_grey_are_kept_as_by_stylize(mixed):
    folder, _ = mixed
    np.testing.assert_allclose(images.load(results(folder, "alpha")[0]).alpha, ALPHA, atol=0.51 / 255)
    assert images.load(results(folder, "lying")[0]).pixels.shape == (1, 30, 20, 3)
    assert images.load(results(folder, "grey")[0]).pixels.shape == (1, 20, 30, 3)


def test_names_that_are_no_text_are_stylised_and_listed_like_any_other(mixed):
    folder, _ = mixed
    good, bad = NO_TEXT
    assert len(results(folder, good)) == 1
    assert r"na\udcefve.png" in (folder / "out" / jobs.FAILURES).read_text()
    listed = [os.fsencode(record["input"]) for record in failures(folder)]
    assert os.fsencode(folder / "photos" / f"{bad}.png") in listed


def test_jpeg_results_have_its_suffix(network, folder):
    run(folder, suffix="jpg")
    assert {path.suffix for path in results(folder)} == {".jpg"}


def test_a_style_that_changes_meanwhile_ends_the_job(network, folder):
    job = describe(folder)
    images.save(folder / "style.png", tiny_network.picture(16, 16, seed=1))
    with pytest.raises(errors.RunnerError, match=r"^FnApiRunner failed: .*the style must stay as it is"):
        batch.run(job)
    assert not results(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """An exported bundle of the tiny network with the style of `folder` baked in."""
    pytest.importorskip("tensorflow_serving", reason="needs the extra [serving]")
    from tests.tiny import tiny_bundle

    style = tiny_network.picture(16, 16, seed=9)
    return tiny_bundle.export_adain(tmp_path_factory.mktemp("bundles") / "style", style, several_styles=False)


def describe_with(bundle, folder, styles=(), masks=None, **settings):
    config = configs.BatchConfig(**{"max_side_px": 32, "batch_size": 2, "bundle": str(bundle)} | settings)
    return jobs.describe([str(folder / "photos" / "**")], styles, str(folder / "out"), config, **(masks or {}))


def test_a_bundle_gives_the_results_of_its_network(bundle, folder):
    assert batch.run(describe_with(bundle, folder, strength=0.7))[:4] == (5, 0, 0, 0)
    network = tiny_adain.network()
    style = network.style_moments(tiny_network.picture(16, 16, seed=9))
    for number in range(5):
        picture = images.load(folder / "photos" / f"{number}.png", max_side_px=32)
        (path,) = results(folder, str(number))
        expected = network.apply(picture.pixels, style, 0.7)
        np.testing.assert_allclose(images.load(path).pixels, expected, atol=1.01 / 255)


def test_a_bundle_draws_where_the_masks_say(bundle, folder):
    for path in sorted((folder / "photos").glob("*.png"))[1:]:
        path.unlink()
    left, top = np.zeros([1, 20, 30, 3], np.float32), np.zeros([1, 20, 30, 3], np.float32)
    left[:, :, :15], top[:, :10] = 1, 1
    images.save(folder / "where" / "0.png", left)
    images.save(folder / "keep" / "0.png", top)
    masks = {"style_masks": [str(folder / "where")], "keep_mask": str(folder / "keep")}
    job = describe_with(bundle, folder, masks=masks)
    assert batch.run(job)[:4] == (1, 0, 0, 0)
    content = images.load(folder / "photos" / "0.png").pixels
    network = tiny_adain.network()
    drawn = network.apply(content, network.style_moments(tiny_network.picture(16, 16, seed=9))).numpy()
    (path,) = results(folder)
    expected = np.where((left > 0) & (top == 0), drawn, content)
    np.testing.assert_allclose(images.load(path).pixels, expected, atol=1.01 / 255)


def test_a_bundle_of_many_styles_with_one_inside_does_bulk_work_and_names_what_is_too_small(folder, tmp_path):
    pytest.importorskip("tensorflow_serving", reason="needs the extra [serving]")
    from tests.tiny import tiny_bundle, tiny_multi_style

    images.save(folder / "photos" / "large.png", tiny_network.picture(36, 40, seed=8))
    version = tiny_bundle.export_multi_style(tmp_path / "one", "style:1", several_styles=False)
    assert "The style of style:1 (sha256 " in (version / model_card.PATH).read_text()
    job = describe_with(version, folder, max_side_px=48)
    assert batch.run(job)[:4] == (2, 0, 0, 4)
    (path,) = results(folder, "large")
    known = tiny_multi_style.loaded().known
    style = type(known)(known.gamma[1], known.beta[1])
    expected = tiny_multi_style.loaded().network(images.load(folder / "photos" / "large.png").pixels, style)
    np.testing.assert_allclose(images.load(path).pixels, expected, atol=1.01 / 255)
    assert "the shorter side must be at least 32 px" in (folder / "out" / jobs.FAILURES).read_text()


def test_a_bundle_that_changes_meanwhile_ends_the_job(bundle, folder, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    job = describe_with(copy, folder)
    path = copy / manifest.PATH
    path.write_text(path.read_text() + "\n")
    with pytest.raises(errors.RunnerError, match="a bundle must stay as it is"):
        batch.run(job)
    assert not results(folder)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"styles": ["style.png"]}, errors.ConfigError, "--style must be left out"),
        ({"max_side_px": 49}, errors.ConfigError, "--size must be at most 48 px.*Use --size=48"),
        (
            {"precision": "float32", "style_max_side_px": 99},
            errors.ConfigError,
            r"Received: bundle with style_max_side_px \(--style_size\), precision",
        ),
        ({"bundle": "nowhere"}, errors.ExportError, "must have the file"),
    ],
)
def test_what_a_bundle_does_not_serve_is_refused_before_work(bundle, folder, changes, error, message):
    with pytest.raises(error, match=message):
        describe_with(**{"bundle": bundle, "folder": folder} | changes)


def test_a_bundle_without_a_style_is_refused(adain_version, folder):
    with pytest.raises(errors.ExportError, match="of adain without a style"):
        describe_with(adain_version, folder)


def test_a_bundle_of_gatys_is_refused(tiny_version, folder):
    with pytest.raises(errors.ExportError, match="of gatys"):
        describe_with(tiny_version, folder)


def test_a_changed_file_of_a_bundle_is_named(bundle, folder, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    with open(copy / "saved_model.pb", "ab") as file:
        file.write(b"\0")
    with pytest.raises(errors.ExportError, match=r"saved_model\.pb: the file must be the one that was exported"):
        describe_with(copy, folder)
    (copy / "saved_model.pb").unlink()
    with pytest.raises(errors.ExportError, match=r"saved_model\.pb: .* it is missing"):
        describe_with(copy, folder)


def test_a_file_beside_those_of_a_bundle_is_named_but_servers_have_their_own(bundle, folder, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    (copy / "assets.extra" / "notes.txt").write_text("mine")
    assert describe_with(copy, folder).bundle == manifest.read(bundle)
    (copy / "variables" / "variables.data-00001-of-00002").write_bytes(b"other")
    with pytest.raises(errors.ExportError, match="the export did not write it"):
        describe_with(copy, folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--direct_num_worker=2"], "Received: --direct_num_worker=2. Did you mean --direct_num_workers?"),
        (["--nonsense_of_mine"], "Received: --nonsense_of_mine. Leave it out"),
        (["--direct_num_workers=two"], "invalid int value: 'two'"),
        (["two"], "Received: two"),
        (["--runner=FlinkRuner"], "--runner must be one that Beam has here. Received: FlinkRuner"),
        (["--runner=DataflowRunner"], "Received"),
    ],
)
def test_a_mistyped_option_of_beam_is_refused(folder, arguments, words):
    with pytest.raises(errors.ConfigError, match=words):
        batch.run(describe(folder), arguments)


def test_a_runner_that_loses_pictures_is_met(network, folder, monkeypatch):
    process = batch._Stylise.process
    monkeypatch.setattr(batch._Stylise, "process", lambda self, paths: list(process(self, paths))[1:])
    with pytest.raises(errors.CountError, match=r"account for 5 pictures. Received: \d written, .* together [1-4]"):
        batch.run(describe(folder))
    assert not list((folder / "out").glob(".batch-*"))


def test_a_runner_that_does_nothing_is_met(network, folder, monkeypatch):
    monkeypatch.setattr(batch._Report, "process", lambda self, group: iter(()))
    with pytest.raises(errors.CountError, match=r"account for 5 pictures. Received: no report"):
        batch.run(describe(folder))


def test_outcomes_that_come_twice_count_once():
    first = batch.Outcome("a.png", batch.WRITTEN, "out/a")
    again = batch.Outcome("a.png", batch.SKIPPED, "out/a")
    twin = batch.Outcome("b/a.png", batch.SKIPPED, "out/a")
    bad = batch.Outcome("c.png", batch.FAILED, "", "ImageError", "bad")
    found = batch._reported([again, first, again, twin, bad])
    assert found["counts"] == {"written": 1, "skipped": 0, "repeated": 1, "failed": 1}
    assert found["failures"] == [{"input": "c.png", "error": "ImageError", "message": "bad"}]
