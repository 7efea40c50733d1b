"""Which statistic of the style: the terms of `--style_term` side by side, judged by one objective.

    python -m benchmarks.style_terms --output_dir=outputs/style_terms

Each row is one way to compare styles on one pair: seconds of an evaluation at the full size, content and Gram loss of
the result on the plain objective, its artefacts, and the pictures in one sheet. With --shares the weights that
--style_weight is multiplied by are tried in place of the defaults, which were chosen so that content losses agree.
"""

import pathlib

from absl import app, flags

from nst_tf import configs, evaluation
from nst_tf.figures import grids
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/style_terms", "where the pictures go")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_STEPS = flags.DEFINE_integer("steps", 100, "evaluations at each size")
_SCALES = flags.DEFINE_integer("scales", 3, "sizes")
_PAIRS = flags.DEFINE_list(
    "pairs",
    ["temple+great-wave", "astronaut+summertime", "skylab+auvers"],
    "samples, each a content and a style",
)
_TERMS = flags.DEFINE_list("terms", ["gram", "w2", "moments", "mrf", "gram+mrf"], "the ways")
_SHARES = flags.DEFINE_list("shares", [], "of --style_weight, in place of the defaults; with one term")


def main(_):
    folder = pathlib.Path(_OUTPUT_DIR.value)
    networks = on_vgg19.SharedNetworks(configs.preset("default").layers)
    judge = configs.EvaluationConfig(style_terms=("gram",))
    print("| pair | term | s an evaluation | content | Gram loss | crosshatch | specks | noise |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    cells = []
    for row, pair in enumerate(_PAIRS.value, 1):
        content, style = (f"sample:{name}" for name in pair.split("+"))
        ways = [(terms, share) for terms in _TERMS.value for share in _SHARES.value or [None]]
        for column, (terms, share) in enumerate(ways, 1):
            config = configs.preset(
                "default",
                max_side_px=_SIZE.value,
                steps=_STEPS.value,
                coarse_steps=_STEPS.value,
                scales=_SCALES.value,
                style_terms=tuple(terms.split("+")),
                style_term_weights=(float(share),) if share else (),
            )
            name = terms if share is None else f"{terms} x {share}"
            pictures = inputs.read(content, style, config)
            result = transfer.StyleTransfer(config, networks=networks)(
                pictures.content, pictures.styles, on_message=lambda _: None
            )
            images.save(folder / f"{pair} {name}.png".replace(" ", "-"), result.image)
            (score,) = evaluation.evaluate(pictures.content, pictures.styles, [result.image], judge)
            losses = f"{score.losses['content']:.3f} | {score.losses['style']:.3f}"
            artefacts = f"{score.crosshatch:.2f} | {score.specks:.2f} | {score.noise:.4f}"
            print(f"| {pair} | {name} | {result.seconds_per_step:.2f} | {losses} | {artefacts} |", flush=True)
            cells.append(grids.GridCell(row=row, column=column, pixels=result.image, caption=name, note=pair))
    images.save(folder / "sheet.jpg", grids.draw(cells, title="Which statistic of the style"))


if __name__ == "__main__":
    app.run(main)
