"""Which statistic of the style: the terms of `--style_term` side by side, judged by one objective.

    python -m benchmarks.style_terms --output_dir=outputs/style_terms

Each row is one way to compare styles on one pair: seconds of an evaluation at the full size, content and Gram loss of
the result on the plain objective, its artefacts, and the pictures in one sheet. w2=0.1 tries another weight than the
default.
"""

import pathlib

from absl import app, flags

from nst_tf import configs, evaluation
from nst_tf.figures import grids
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer
from nst_tf.pictures import images

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/style_terms", "where the pictures go")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_STEPS = flags.DEFINE_integer("steps", 100, "evaluations at each size")
_SCALES = flags.DEFINE_integer("scales", 3, "sizes")
_PAIRS = flags.DEFINE_list(
    "pairs",
    ["temple+great-wave", "astronaut+summertime", "skylab+auvers"],
    "samples, each a content and a style",
)
_WAYS = flags.DEFINE_list(
    "ways", ["gram", "w2", "moments", "mrf", "gram+mrf"], "terms, joined by + where they are added; =weight for another"
)


def main(_):
    folder = pathlib.Path(_OUTPUT_DIR.value)
    networks = on_vgg19.SharedNetworks(configs.preset("default").layers)
    judge = configs.EvaluationConfig(style_terms=("gram",))
    print("| pair | way | s an evaluation | content | Gram loss | crosshatch | specks | noise |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    cells = []
    for row, pair in enumerate(_PAIRS.value, 1):
        content, style = (f"sample:{name}" for name in pair.split("+"))
        results = {way: stylized(way, content, style, networks) for way in _WAYS.value}
        scores = evaluation.evaluate(content, style, [result.image for result in results.values()], judge)
        for column, ((way, result), score) in enumerate(zip(results.items(), scores, strict=True), 1):
            images.save(folder / f"{pair}-{way}.png", result.image)
            losses = f"{score.losses['content']:.3f} | {score.losses['style']:.3f}"
            artefacts = f"{score.crosshatch:.2f} | {score.specks:.2f} | {score.noise:.4f}"
            print(f"| {pair} | {way} | {result.seconds_per_step:.2f} | {losses} | {artefacts} |", flush=True)
            cells.append(grids.GridCell(row=row, column=column, pixels=result.image, caption=way, note=pair))
    images.save(folder / "sheet.jpg", grids.draw(cells, title="Which statistic of the style"))


def stylized(way, content, style, networks):
    terms, _, share = way.partition("=")
    config = configs.preset(
        "default",
        max_side_px=_SIZE.value,
        steps=_STEPS.value,
        coarse_steps=_STEPS.value,
        scales=_SCALES.value,
        style_terms=tuple(terms.split("+")),
        style_term_weights=(float(share),) if share else (),
    )
    return transfer.StyleTransfer(config, networks=networks)(content, style, on_message=lambda _: None)


if __name__ == "__main__":
    app.run(main)
