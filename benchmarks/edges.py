"""How rows along the edges of pictures differ from each other: a frame shows as steps larger than those inside.

    python -m benchmarks.sheets --contestants=full,good --output_dir=outputs/sheets
    python -m benchmarks.edges outputs/sheets/pictures/320/full outputs/sheets/pictures/320/good

For each folder of PNG files, in levels of 255: the distance between the colours of neighbouring rows, averaged over 16
px along the edge, root mean square over the four edges, median over the pictures; from the edge to the eighth step, and
of the steps 20 to 60 px from it.
"""

import pathlib
import statistics

import numpy as np
from absl import app
from PIL import Image

from nst_tf.evaluation import artefacts
from nst_tf.losses import frame

INSIDE = slice(20, 60)  # steps


def main(argv):
    numbers = map(str, range(1, frame.STEPS + 1))
    print(f"| pictures | {' | '.join(numbers)} | inside |\n|{'---|' * (frame.STEPS + 2)}")
    for folder in argv[1:]:
        paths = sorted(pathlib.Path(folder).glob("*.png"))
        found = [steps(np.asarray(Image.open(path).convert("RGB"), np.float64)) for path in paths]
        medians = [statistics.median(column) for column in zip(*found, strict=True)]
        print(f"| {pathlib.Path(folder).name}, {len(paths)} | {' | '.join(f'{value:.0f}' for value in medians)} |")


def steps(levels):
    """The root mean squares of the outermost steps of a picture [H, W, 3], and of those inside."""
    squares = [squared_steps(side[: INSIDE.stop + 1]) for side in artefacts.from_each_edge(levels)]
    means = [np.sqrt(np.mean([each[step].mean() for each in squares])) for step in range(frame.STEPS)]
    return [*means, np.sqrt(np.mean([each[INSIDE].mean() for each in squares]))]


def squared_steps(rows):
    """Squared distances of neighbouring rows [R, W, 3] at each place along them, [R - 1, W - 15]."""
    means = np.lib.stride_tricks.sliding_window_view(rows, frame.REACH_PX, axis=1).mean(-1)
    return np.square(np.diff(means, axis=0)).sum(-1)


if __name__ == "__main__":
    app.run(main)
