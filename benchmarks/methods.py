"""Methods side by side, judged by one objective: optimisation, one pass, and one pass followed by optimisation.

    python -m benchmarks.methods --content=sample:launch-pad --style=sample:van-gogh --output_dir=outputs/methods

One table and the pictures. Seconds are those of the steps and of a warm pass, without loading networks.
"""

import dataclasses
import pathlib
import time

from absl import app, flags

import nst_tf
from nst_tf import configs, evaluation
from nst_tf.losses import on_vgg19
from nst_tf.networks import adain
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs

_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_STEPS = flags.DEFINE_list("steps", ["10", "30", "100"], "evaluations of the optimisations")
_LPIPS = flags.DEFINE_string("lpips", "alexnet", "network of LPIPS, or none")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/methods", "where the pictures go")


def main(_):
    config = configs.preset("default", max_side_px=_SIZE.value, scales=1)
    pictures = inputs.read(_CONTENT.value, _STYLE.value, config)
    one_pass = nst_tf.AdainTransfer(configs.AdainConfig(max_side_px=_SIZE.value), loaded=adain.load(on_message=print))
    one_pass(pictures.content, pictures.styles)  # traces
    began = time.perf_counter()
    start = one_pass(pictures.content, pictures.styles).image
    pass_s = time.perf_counter() - began
    results = {"content": (pictures.content.pixels, 0.0), "AdaIN": (start, pass_s)}
    networks = on_vgg19.SharedNetworks(config.layers)
    results |= optimised(config, pictures, networks, "Gatys", 0.0)
    start_path = pathlib.Path(_OUTPUT_DIR.value) / "start.png"
    images.save(start_path, start, bit_depth=16)
    config = dataclasses.replace(config, initialisation=str(start_path))
    results |= optimised(config, pictures, networks, "AdaIN, then", pass_s)

    judged = [images.Picture(pixels=image, alpha=None, sha256="", name=name) for name, (image, _) in results.items()]
    judge = configs.EvaluationConfig(lpips=_LPIPS.value)
    scores = evaluation.evaluate(pictures.content, pictures.styles, judged, judge)
    print(f"\n{_CONTENT.value} in the style of {_STYLE.value}, {scores[0].width_px} x {scores[0].height_px} px\n")
    print("| method | s | content | style | total | noise | LPIPS to the content |\n|---|---|---|---|---|---|---|")
    for score in scores:
        image, seconds = results[score.image]
        images.save(pathlib.Path(_OUTPUT_DIR.value) / f"{score.image.replace(',', '').replace(' ', '-')}.png", image)
        lpips = "" if score.lpips is None else f"{score.lpips:.3f}"
        losses = f"{score.content:.3f} | {score.style:.3f} | {score.total:.3f}"
        print(f"| {score.image} | {seconds:.1f} | {losses} | {score.noise:.4f} | {lpips} |")


def optimised(config, pictures, networks, name, seconds_before):
    """Name and number of steps -> the picture and the seconds."""
    results = {}
    for steps in map(int, _STEPS.value):
        engine = transfer.StyleTransfer(dataclasses.replace(config, steps=steps), networks=networks)
        result = engine(pictures.content, pictures.styles)
        results[f"{name} {steps} steps"] = (result.image, seconds_before + steps * result.seconds_per_step)
    return results


if __name__ == "__main__":
    app.run(main)
