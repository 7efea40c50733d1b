"""Writes the folder that `step.py` reads: nst_tf's step lowered to StableHLO, the network's weights and the pictures.

    python -m benchmarks.gpu.lower --folder=/tmp/gpu --sizes=512,1024

The step is that of nst_tf's own optimiser Adam on its own objective (preset `default`), traced and lowered by
TensorFlow here, where no GPU is needed; the weights are arguments of it. Together it is about 27 MB. Copy the
folder and `step.py` to the machine with the GPU, which needs no TensorFlow and no nst_tf.
"""

import json
import pathlib

import numpy as np
from absl import app, flags

from benchmarks import contestants
from benchmarks.gpu import lowering

_FOLDER = flags.DEFINE_string("folder", None, "to write into", required=True)
_SIZES = flags.DEFINE_list("sizes", ["512", "1024"], "sides of the square pictures, px")
_FORMATS = flags.DEFINE_list("formats", ["float32", "tf32", "bfloat16", "float16"], "number formats")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture, resized to squares")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture, resized to squares")


def main(_):
    import tensorflow as tf

    from nst_tf import configs, vgg
    from nst_tf.losses import objective
    from nst_tf.weights import vgg19

    folder = pathlib.Path(_FOLDER.value)
    folder.mkdir(parents=True, exist_ok=True)
    config = configs.preset("default", learning_rate=contestants.LEARNING_RATE, **configs.WITHOUT_CLEANING)
    steps, convolutions = {}, vgg19.load().convolutions
    for side in map(int, _SIZES.value):
        pixels = contestants.squares(side, _CONTENT.value, _STYLE.value)
        pixels = [np.round(p * 255).astype(np.uint8) for p in pixels]
        lowering.write(
            folder / f"pictures_{side}.npz",
            lambda file, pixels=pixels: np.savez(file, content=pixels[0], style=pixels[1]),
        )
        for form in _FORMATS.value:
            # TensorFlow's own default lets float32 products be rounded to TF32, which the mixed formats keep.
            tf.config.experimental.enable_tensor_float_32_execution(form != "float32")
            policy = "float32" if form in ("float32", "tf32") else f"mixed_{form}"
            extractor = vgg.feature_extractor(convolutions, config.layers, pooling=config.pooling, policy=policy)
            goal = objective.Objective(extractor=extractor, config=config)
            files, described = lowered(goal, pixels[0].shape, config)
            for name, module in files.items():
                lowering.write(
                    folder / f"{name}_{side}_{form}.stablehlo", lambda file, module=module: file.write(module)
                )
            steps[f"{side} {form}"] = described
            print(f"{side} px, {form}: {sum(map(len, files.values())) / 1e3:.0f} kB", flush=True)
    weights = {name: array.astype(np.float16) for name, array in arrays_of(goal).items()}
    lowering.write(folder / "weights.npz", lambda file: np.savez(file, **weights))
    settings = {
        name: getattr(config, name)
        for name in (
            "content_weight", "style_weight", "total_variation_weight", "content_layers", "style_layers",
            "learning_rate", "beta_1", "epsilon",
        )
    }  # fmt: skip
    about = {"settings": settings, "steps": steps, "tensorflow": tf.__version__}
    lowering.write(folder / "about.json", lambda file: file.write(json.dumps(about, indent=1).encode()))


def lowered(goal, shape, config):
    """The targets and the step as portable StableHLO, and the names of what the modules take."""
    import tensorflow as tf

    from nst_tf.optimisation import adam

    optimizer = adam.Adam(goal.terms_and_gradient, tf.TensorShape(shape), config)
    image, one = tf.zeros(shape), tf.constant(1.0)
    of_pictures = tf.function(lambda content, style: goal.targets(content, [style]), jit_compile=True)
    targets = of_pictures.get_concrete_function(image, image).structured_outputs
    targets = tf.nest.map_structure(lambda target: tf.zeros(target.shape), targets)
    step = tf.function(lambda targets, scale: optimizer.step(targets, scale), jit_compile=True)
    taking = {"targets": (of_pictures, (image, image)), "step": (step, (targets, one))}
    names_of = {term: {layer: f"{term}/{layer}" for layer in layers} for term, layers in targets.items()}
    target_names = tf.nest.flatten(names_of)
    given = {"targets": ["content", "style"], "step": [*target_names, "loss_scale"]}
    of_optimizer = {v.name.split(":")[0]: v for v in vars(optimizer).values() if isinstance(v, tf.Variable)}
    names = {id(variable.handle): name for name, variable in (lowering.variables_of(goal) | of_optimizer).items()}
    files, described = {}, {"targets": target_names}
    for name, (function, arguments) in taking.items():
        text = function.experimental_get_compiler_ir(*arguments)(stage="stablehlo")
        files[name] = lowering.portable(text).encode()
        concrete = function.get_concrete_function(*arguments)
        captured = [names[id(handle)] for handle in concrete.captured_inputs]
        described[f"{name} takes"] = given[name] + captured
    described["state"] = [name for name in captured if "/" not in name]
    described["terms"] = len(tf.nest.flatten(concrete.structured_outputs))
    return files, described


def arrays_of(goal):
    return {name: variable.numpy() for name, variable in lowering.variables_of(goal).items()}


if __name__ == "__main__":
    app.run(main)
