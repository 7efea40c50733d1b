import pytest

from nst_tf.pictures import images, samples
from tests.system import command_line

SIDE_PX = 32


@pytest.mark.slow  # its parts have tests in tests/unit/pipelines
@pytest.mark.weights
def test_the_training_example_runs_on_folders_of_crops(tmp_path):
    for name in ("launch-pad", "shuttle-landing"):
        pixels = images.load(samples.PREFIX + name, max_side_px=128).pixels
        for number in range(8):
            left = 8 * number
            images.save(tmp_path / "photos" / name / f"{number}.png", pixels[:, :SIDE_PX, left : left + SIDE_PX])
    output = tmp_path / "classifier.keras"
    arguments = [f"--photos={tmp_path / 'photos'}", "--styles=nst_tf/pictures/samples/turner.jpg", f"--output={output}"]
    code, stdout, stderr = command_line.run(
        *arguments, f"--size={SIDE_PX}", "--epochs=1", "--batch_size=6", module="examples.stylized_training"
    )
    assert code == 0, stderr
    assert "accuracy on held-out photographs, stylised: " in stdout
    assert output.stat().st_size > 0
