"""What a picture loses that is given as its own style: LPIPS between it and the result, for each method.

    python -m benchmarks.identity --size=192

The optimisation runs in full: a picture that differs from the content in one level of one value is the style, so that
the run does not return the content at once. A learned style is that of the painting itself.
"""

import dataclasses

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.evaluation import lpips
from nst_tf.networks import multi_style_transfer, one_pass
from nst_tf.optimisation import transfer
from nst_tf.pictures import images

_SIZE = flags.DEFINE_integer("size", 192, "long side, px")
_PAINTINGS = flags.DEFINE_list("paintings", ["starry-night", "great-wave", "composition-viii"], "samples")
_QUALITY = flags.DEFINE_string("quality", "good", "of the optimisation")

OPTIMISATIONS = {
    "gatys": {},
    "gatys, one size": {"scales": 1},
    "gatys, one size, no total variation": {"scales": 1, "total_variation_weight": 0.0, **configs.WITHOUT_CLEANING},
}


def main(_):
    judge = lpips.load("alexnet", on_message=lambda _: None)
    quiet = {"on_message": lambda _: None}
    side = {"max_side_px": _SIZE.value}
    print("| method | " + " | ".join(_PAINTINGS.value) + " |")
    print("|---|" + "---|" * len(_PAINTINGS.value))
    paintings = [images.load(f"sample:{name}", max_side_px=_SIZE.value) for name in _PAINTINGS.value]

    def row(name, results):
        distances = [float(judge(result, own.pixels)[0]) for result, own in zip(results, paintings, strict=True)]
        print(f"| {name} | " + " | ".join(f"{distance:.4f}" for distance in distances) + " |", flush=True)

    adain = one_pass.AdainTransfer(configs.AdainConfig(**side))
    row("adain", [adain(own, own, **quiet).image for own in paintings])
    learned = multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(**side))
    drawn = [
        learned(own, f"style:{name}", **quiet).image for name, own in zip(_PAINTINGS.value, paintings, strict=True)
    ]
    row("multi-style, the painting's own style", drawn)
    for name, settings in OPTIMISATIONS.items():
        config = configs.StyleTransferConfig(quality=_QUALITY.value, **side, **settings)
        row(name, [transfer.stylize(own, _nearly(own), config, **quiet).image for own in paintings])


def _nearly(picture):
    """The picture with one level more or less in one value, so that it is another one."""
    pixels = picture.pixels.copy()
    pixels[0, 0, 0, 0] += 1 / 255 if pixels[0, 0, 0, 0] < 0.5 else -1 / 255
    return dataclasses.replace(picture, pixels=np.clip(pixels, 0, 1), sha256="nearly")


if __name__ == "__main__":
    app.run(main)
