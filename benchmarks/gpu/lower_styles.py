"""Writes the folder that `train_styles.py` reads: one step of training a network for several paintings, lowered.

    python -m benchmarks.gpu.lower_styles --folder=in --paintings=FOLDER

The network is that of Dumoulin et al. 2017: every kernel is shared by all paintings, and each painting has its scales
and shifts. It starts at Magenta's network and the style files that come with the package (learned with its kernels),
or, with --new_width, from nothing (Johnson et al. 2016 where there is one painting). The objective is that of `nst-tf
train`: nst_tf's own, on VGG-19, a style weight in proportion to each painting's Gram matrices. The step (the network,
the objective, their gradient, Adam) is traced and lowered by TensorFlow here, where no GPU is needed; the machine with
the GPU needs JAX, and neither TensorFlow nor VGG-19's file.
"""

import json
import pathlib

import numpy as np
from absl import app, flags

from benchmarks.gpu import lowering

NAMES = (
    "starry-night",
    "great-wave",
    "auvers",
    "composition-viii",
    "summertime",
    "bouquet",
    "redon",
    "ejiri",
)

STROKES_PX = {"composition-viii": (512, 640)}  # a painting of large shapes
WEIGHTS = {"starry-night": 1.5, "great-wave": 1.5}  # times that of the style term, by looking

_FOLDER = flags.DEFINE_string("folder", None, "to write into", required=True)
_PAINTINGS = flags.DEFINE_string("paintings", None, "folder of the paintings, NAME.jpg each", required=True)
_NAMES = flags.DEFINE_list("names", list(NAMES), "the paintings")
_STROKES_PX = flags.DEFINE_list("stroke_sizes", ["384", "576"], "long sides at which each painting is read, px")
_SIDE_PX = flags.DEFINE_integer("crop_px", 256, "side of the squares of photographs")
_BATCH = flags.DEFINE_integer("batch", 8, "squares in a step")
_NEW_WIDTH = flags.DEFINE_integer("new_width", 0, "channels of the first layer of a network from nothing")
_POLICY = flags.DEFINE_string("policy", "mixed_bfloat16", "Keras dtype policy of VGG-19")
_SEED = flags.DEFINE_integer("seed", 0, "of a network from nothing")


def main(_):
    import tensorflow as tf

    from nst_tf import configs, vgg
    from nst_tf.losses import objective
    from nst_tf.networks import layers
    from nst_tf.weights import vgg19

    tf.config.experimental.enable_tensor_float_32_execution(True)
    folder = pathlib.Path(_FOLDER.value)
    folder.mkdir(parents=True, exist_ok=True)
    layers.NearestUpsampling.call = repeated
    config = configs.TrainingConfig()
    extractor = vgg.feature_extractor(
        vgg19.load().convolutions, config.objective.layers, pooling=config.objective.pooling, policy=_POLICY.value
    )
    goal = objective.Objective(extractor=extractor, config=config.objective)
    step = Step(goal, start(), paintings(goal))
    described = step.write(folder)
    about = {"styles": styles(), "side_px": _SIDE_PX.value, "batch": _BATCH.value, "tensorflow": tf.__version__}
    about |= described
    lowering.write(folder / "about.json", lambda file: file.write(json.dumps(about, indent=1).encode()))
    print(f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB in {folder}")


def repeated(_, x):
    """[B, H, W, C] to [B, 2 H, 2 W, C] as `NearestUpsampling` does it, whose gradient XLA does not have."""
    import tensorflow as tf

    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def styles():
    """Of each style its painting's name, and the long side in px at which that is read."""
    sizes = [int(size) for size in _STROKES_PX.value]
    return [(name, size) for name in _NAMES.value for size in STROKES_PX.get(name, sizes)[: len(sizes)]]


def start():
    """Layer -> kernel, and gamma and beta [K, N], that the training starts from."""
    from nst_tf.networks import multi_style, one_style
    from nst_tf.weights import multi_style as multi_style_weights
    from nst_tf.weights import style_files

    if _NEW_WIDTH.value:
        values = one_style.new_values(_NEW_WIDTH.value, 5, _SEED.value)
        rows = [np.repeat(part[np.newaxis], len(styles()), axis=0) for part in values.style]
        return values.kernels, multi_style.Style(*rows)
    shipped = [style_files.shipped(name).at(size_px) for name, size_px in styles()]
    return dict(multi_style_weights.load().kernels), multi_style.Style(*map(np.stack, zip(*shipped, strict=True)))


def paintings(goal):
    """Of each painting the style's targets, by layer [1, C, C], and the weight of its style term."""
    import tensorflow as tf

    from nst_tf.pictures import inputs
    from nst_tf.training import loop

    found = []
    for name, size_px in styles():
        path = pathlib.Path(_PAINTINGS.value) / f"{name}.jpg"
        pixels = tf.constant(inputs.read_picture(path, "painting", size_px).pixels)
        targets = goal.targets(pixels, [pixels])
        found.append((targets["style"], loop.relative_style_weight(targets, WEIGHTS.get(name, 1.0))))
    return found


class Step:
    """The variables of a training, and its traced step.

    Args:
        goal: the objective.
        start: kernels and styles to start from.
        paintings: of each its targets and its weight.
    """

    def __init__(self, goal, start, paintings):
        import tensorflow as tf

        from nst_tf.networks import multi_style
        from nst_tf.training import adam

        kernels, styles = start
        self._goal = goal
        self._network = multi_style.MultiStyleNetwork(kernels)
        self.variables = {
            f"kernel/{layer}": self._network.body.get_layer(layer.replace(".", "_")).kernel.value for layer in kernels
        }
        self.variables |= {name: tf.Variable(part) for name, part in styles._asdict().items()}
        self._adam = adam.Adam(list(self.variables.values()), beta_2=0.999)
        layers = paintings[0][0]
        self._targets = {
            layer: tf.Variable(tf.concat([targets[layer] for targets, _ in paintings], 0), trainable=False)
            for layer in layers
        }
        self._weights = tf.Variable(tf.stack([weight for _, weight in paintings]), trainable=False)  # [K]

    def traced(self, squares, styles, rate, updates, content_weight, style_weight):
        """One update on squares [B, S, S, 3] in styles [B]; the means of the objective and its terms before it."""
        import tensorflow as tf

        from nst_tf.networks import multi_style

        of_style = {layer: tf.gather(grams, styles) for layer, grams in self._targets.items()}
        targets = self._goal.content_targets(squares) | {"style": of_style}
        weights = {"content": content_weight, "style": style_weight * tf.gather(self._weights, styles)}
        variables = list(self.variables.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            rows = multi_style.Style(*(tf.gather(self.variables[name], styles) for name in ("gamma", "beta")))
            terms = self._goal.terms(self._network(squares, rows), targets, weights)
            total = tf.reduce_mean(terms.total)
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, variables)]
        self._adam.apply(gradients, rate, updates)
        return total, *(tf.reduce_mean(terms.values[name]) for name in ("content", "style", "total_variation"))

    def write(self, folder):
        """Writes the step, the state and what stays the same; returns the names of what the step takes and gives."""
        import tensorflow as tf

        squares = tf.zeros([_BATCH.value, _SIDE_PX.value, _SIDE_PX.value, 3])
        styles, number = tf.zeros([_BATCH.value], tf.int32), tf.constant(1.0)
        function = tf.function(self.traced, jit_compile=True, autograph=False)
        arguments = (squares, styles, number, number, number, number)
        module = lowering.portable(function.experimental_get_compiler_ir(*arguments)(stage="stablehlo"))
        lowering.write(folder / "step.stablehlo", lambda file: file.write(module.encode()))
        concrete = function.get_concrete_function(*arguments)
        moments = self._adam.moments
        half = len(moments) // 2
        state = dict(self.variables)
        state |= {f"mean/{name}": v for name, v in zip(self.variables, moments[:half], strict=True)}
        state |= {f"square/{name}": v for name, v in zip(self.variables, moments[half:], strict=True)}
        vgg = lowering.variables_of(self._goal)
        targets = {f"target/{layer}": v for layer, v in self._targets.items()} | {"weights": self._weights}
        names = {id(variable.handle): name for name, variable in (state | vgg | targets).items()}
        captured = [names[id(handle)] for handle in concrete.captured_inputs]
        write_arrays(folder / "state.npz", {name: v.numpy() for name, v in self.variables.items()})
        write_arrays(folder / "vgg.npz", {name: v.numpy().astype(np.float16) for name, v in vgg.items()})
        write_arrays(folder / "targets.npz", {name: v.numpy().astype(np.float16) for name, v in targets.items()})
        given = ["squares", "styles", "rate", "updates", "content_weight", "style_weight"]
        return {"takes": given + captured, "gives": [name for name in captured if name in state], "terms": 4}


def write_arrays(path, arrays):
    """Writes arrays by name."""
    lowering.write(path, lambda file: np.savez(file, **arrays))


if __name__ == "__main__":
    app.run(main)
