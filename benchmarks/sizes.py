"""The best picture for the time: sizes passed through and evaluations at each, all for about the same work.

    python -m benchmarks.sizes --size=512 --work=80 --output_dir=outputs/sizes

Each row is a run of the preset `default` from the content with the work of so many evaluations at the full size, where
one at half the size counts a quarter. The losses are weighted, of the result on the float32 objective of the full size;
noise is the share of spectral energy beyond 0.7 of Nyquist. The pictures are written beside for looking at.
"""

import pathlib

import tensorflow as tf
from absl import app, flags

from benchmarks import contestants
from nst_tf import configs
from nst_tf.evaluation import noise
from nst_tf.figures import grids
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs

_SIZE = flags.DEFINE_integer("size", 512, "long side, px")
_WORK = flags.DEFINE_integer("work", 80, "evaluations at the full size that each row may cost")
_WAYS = flags.DEFINE_list("ways", ["1:0", "2:40", "3:40", "3:80", "3:120", "4:80"], "sizes:evaluations at each coarser")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/sizes", "where the pictures go")
COLUMNS = 3  # of the sheet that shows all the pictures


def main(_):
    plain = configs.preset("default", max_side_px=_SIZE.value, **configs.WITHOUT_CLEANING)
    pictures = inputs.read(_CONTENT.value, _STYLE.value, plain)
    height, width = pictures.content.height_px, pictures.content.width_px
    exact, targets = contestants.nst_tf_objective(pictures.content.pixels, pictures.styles[0].pixels, plain, "float32")
    networks = on_vgg19.SharedNetworks(plain.layers)
    networks.network(plain, lambda _: None)  # read and built before the first row
    print(f"{width} x {height} px, {_CONTENT.value} in the style of {_STYLE.value}\n")
    print("| sizes | evaluations | s | loss | content | style | noise |\n|---|---|---|---|---|---|---|", flush=True)
    cells = []
    for way in _WAYS.value:
        scales, coarse_steps = map(int, way.split(":"))
        steps = round(_WORK.value - coarse_steps * sum(0.25**halvings for halvings in range(1, scales)))
        config = configs.preset(
            "default", max_side_px=_SIZE.value, scales=scales, coarse_steps=max(coarse_steps, 1), steps=steps
        )
        result = transfer.StyleTransfer(config, networks=networks)(
            pictures.content, pictures.styles, on_message=lambda _: None
        )
        terms = exact.terms(tf.constant(result.image), targets)
        each = " + ".join(str(stage["steps"]) for stage in result.stages)
        share = noise.high_frequency_share(result.image)
        losses = " | ".join(
            f"{float(term[0]):.4f}" for term in (terms.total, terms.values["content"], terms.values["style"])
        )
        print(f"| {scales} | {each} | {result.seconds:.0f} | {losses} | {share:.4f} |", flush=True)
        images.save(pathlib.Path(_OUTPUT_DIR.value) / f"{_SIZE.value}-{scales}-sizes-{coarse_steps}.png", result.image)
        place = {"row": 1 + len(cells) // COLUMNS, "column": 1 + len(cells) % COLUMNS}
        caption = f"{each} evaluations"
        cells.append(grids.GridCell(**place, pixels=result.image, caption=caption, note=f"{result.seconds:.0f} s"))
    sheet = grids.draw(cells, title=f"{_SIZE.value} px: the same work, so many sizes")
    images.save(pathlib.Path(_OUTPUT_DIR.value) / f"{_SIZE.value}.jpg", sheet)


if __name__ == "__main__":
    app.run(main)
