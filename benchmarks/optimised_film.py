"""How strongly the frames of an optimised film should be held to the frames before them.

    python -m benchmarks.optimised_film --clip=flower.mp4 --frames=8 --size=192

All rows share the first frame, an ordinary run; the others are drawn as by `nst-tf video --method=gatys` with each
temporal weight. Style and content are the means of their weighted losses, as `nst-tf evaluate` has them. The frames go
to the folder, so that they can be looked at. Flicker is measured by fine flow, as these films are drawn.
"""

import pathlib
import time

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.evaluation import flicker, scores
from nst_tf.losses import on_vgg19
from nst_tf.pictures import images, inputs
from nst_tf.video import frames, optimised

_CLIP = flags.DEFINE_string("clip", None, "the film", required=True)
_STYLE = flags.DEFINE_string("style", "sample:starry-night", "a painting")
_FRAMES = flags.DEFINE_integer("frames", 8, "frames from the film's start")
_SIZE = flags.DEFINE_integer("size", 192, "long side in px")
_WEIGHTS = flags.DEFINE_list("weights", ["0", "200", "1000", "5000"], "temporal weights")
_NEXT_STEPS = flags.DEFINE_integer("next_steps", configs.VideoConfig().next_steps, "evaluations of each further frame")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/optimised_film", "where the frames go")


def main(_):
    film = frames.open_film(_CLIP.value)
    photographs = [frame.pixels for frame, _ in zip(film.frames(_SIZE.value), range(_FRAMES.value), strict=False)]
    config = configs.preset("default", max_side_px=_SIZE.value)
    style = inputs.read_picture(_STYLE.value, "style", _SIZE.value)
    networks = on_vgg19.SharedNetworks(config.layers)
    judge = networks.network(configs.EvaluationConfig().judge, print_nothing).objective
    first = None
    print("| temporal weight | flicker | sharpness | style | content | CPU s a frame |\n|---|---|---|---|---|---|")
    for weight in map(float, _WEIGHTS.value):
        video = configs.VideoConfig(temporal_weight=weight, next_steps=_NEXT_STEPS.value)
        artist = optimised.OptimisedArtist([style], config, video, networks=networks)
        if first is None:
            first = artist.draw(photographs[0], print_nothing), artist.state()
        artist.restore(first[1])
        began = time.process_time()
        drawn = [first[0], *(artist.draw(photograph, print_nothing) for photograph in photographs[1:])]
        seconds = (time.process_time() - began) / max(len(drawn) - 1, 1)
        folder = pathlib.Path(_OUTPUT_DIR.value) / f"{weight:g}"
        paths = [folder / f"{number}.png" for number in range(len(drawn))]
        for path, picture in zip(paths, drawn, strict=True):
            images.save(path, picture[np.newaxis])
        losses = [
            scores.evaluate(photograph[np.newaxis], _STYLE.value, [path], objective=judge)[0].losses
            for path, photograph in zip(paths[1:], photographs[1:], strict=True)
        ]
        style_loss, content_loss = (np.mean([one[name] for one in losses]) for name in ("style", "content"))
        measured = flicker.steadiness(drawn, photographs, fine=True)
        print(
            f"| {weight:g} | {measured.flicker:.4f} | {measured.sharpness:.1f} | {style_loss:.3f} | {content_loss:.3f} "
            f"| {seconds:.1f} |",
            flush=True,
        )


def print_nothing(_):
    """For messages that are the same in every row."""


if __name__ == "__main__":
    app.run(main)
