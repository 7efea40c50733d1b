"""`nst-tf samples`."""

from nst_tf.pictures import images, samples
from tests.system import command_line


def test_the_list_names_every_sample_with_its_author_and_status(commands):
    code, stdout, stderr = commands.run("samples")
    assert (code, stderr) == (0, "")
    for sample in samples.list_samples():
        line = next(line for line in stdout.splitlines() if f"sample:{sample.name} " in line)
        assert sample.title in line
        assert sample.author in line
        assert sample.status in line
    assert samples.REPRODUCTION_NOTE in stdout
    assert "sample:van-gogh is sample:bouquet" in stdout


def test_the_sheet_is_one_page(commands, tmp_path):
    code, stdout, stderr = commands.run("samples", f"--sheet={tmp_path / 'samples.png'}")
    assert (code, stdout) == (0, ""), stderr
    assert "loading TensorFlow" not in stderr
    assert images.load(tmp_path / "samples.png").width_px > 1000


def test_a_sheet_of_no_known_format_is_refused(commands):
    refused = commands.run("samples", "--sheet=samples.xyz")
    command_line.assert_refused_in_one_line(*refused, [".xyz", ".png"])
