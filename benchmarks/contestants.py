"""One optimisation step of eq. 7 by nst_tf and by PyTorch, each contestant in a process of its own.

A contestant is set up once and then asked for steps in turn with the others, so that a slow minute of the machine meets
them all. Processes keep the thread pools of the two libraries apart.
"""

import multiprocessing
import statistics
import time

import numpy as np

LEARNING_RATE = 0.02
TORCH_HISTORY = 100  # of torch.optim.LBFGS, its own default and that of the published packages


def squares(side, *sources):
    """Pictures, given by path or sample:NAME, resized to squares: float32 [1, side, side, 3] each."""
    from nst_tf.pictures import images, inputs

    return [images.resize(inputs.read_picture(source, source, None).pixels, side, side) for source in sources]


def nst_tf_objective(content, style, config, policy, convolution="direct"):
    """The objective of nst_tf and its targets on the real network, for pictures [1, H, W, 3]."""
    import tensorflow as tf

    from nst_tf import vgg
    from nst_tf.losses import objective
    from nst_tf.weights import vgg19

    extractor = vgg.feature_extractor(
        vgg19.load().convolutions, config.layers, pooling=config.pooling, policy=policy, convolution=convolution
    )
    goal = objective.Objective(extractor=extractor, config=config)
    return goal, goal.targets(tf.constant(content), [tf.constant(style)])


def nst_tf_step(content, style, settings, threads, policy, convolution):
    """Adam of nst_tf on the objective of `settings`; returns a function that takes one step."""
    from cli import program

    program.load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)

    from nst_tf import configs, fastest_convolution
    from nst_tf.optimisation import adam
    from nst_tf.weights import cache

    convolution = fastest_convolution.resolve(convolution, policy, cache.folder()).form
    config = configs.preset("default", learning_rate=LEARNING_RATE, **configs.WITHOUT_CLEANING, **settings)
    goal, targets = nst_tf_objective(content, style, config, policy, convolution)
    optimizer = adam.Adam(goal.terms_and_gradient, tf.TensorShape(content.shape), config)
    optimizer.start(tf.constant(content))
    one = tf.constant(1.0)
    return lambda: float(optimizer.step(targets, one).total[0])


class TorchObjective:
    """Eq. 7 on the same network in PyTorch, mean-reduced, with the mean squared total variation."""

    def __init__(self, content, style, settings, threads, dtype, layout):
        import torch

        from nst_tf import configs
        from nst_tf.weights import vgg19

        self.torch = torch
        torch.set_num_threads(threads)
        self.config = configs.preset("default", **configs.WITHOUT_CLEANING, **settings)
        self.dtype = getattr(torch, dtype)
        self.format = torch.channels_last if layout == "channels-last" else torch.contiguous_format
        self.layers = self._layers(vgg19.load().convolutions)
        self.content = self.tensor(content)
        with torch.no_grad():
            self.wanted_features = self.features(self.content)
            self.wanted_grams = {name: self.gram(f) for name, f in self.features(self.tensor(style)).items()}

    def tensor(self, pixels):
        """[1, H, W, 3] as [1, 3, H, W]."""
        tensor = self.torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        return tensor.contiguous(memory_format=self.format)

    def _layers(self, convolutions):
        torch = self.torch
        layers = []
        for keras_name, (kernel, bias) in convolutions.items():
            block, index = keras_name.removeprefix("block").split("_conv")
            if index == "1" and block != "1":
                kind = torch.nn.AvgPool2d if self.config.pooling == "average" else torch.nn.MaxPool2d
                layers.append((None, kind(2)))
            convolution = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
            convolution.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
            convolution.bias.data = torch.from_numpy(bias.copy())
            convolution = convolution.to(self.dtype).to(memory_format=self.format).requires_grad_(False)
            layers.append((f"conv{block}_{index}", convolution))
            if f"conv{block}_{index}" == self.config.layers[-1]:
                return layers
        raise ValueError(f"no layer {self.config.layers[-1]}")

    def features(self, image):
        from nst_tf import vgg

        mean = self.torch.tensor(vgg.VGG_MEAN_BGR).view(1, 3, 1, 1)
        x = (image.flip(1) * 255 - mean).to(self.dtype).contiguous(memory_format=self.format)
        taps = {}
        for name, layer in self.layers:
            x = layer(x)
            if name:
                x = self.torch.relu(x)
                if name in self.config.layers:
                    taps[name] = x.float()
        return taps

    def gram(self, features):
        flat = features.flatten(2)[0]
        return flat @ flat.T / flat.shape[1]

    def loss(self, image):
        config, taps = self.config, self.features(image)
        content = sum(((taps[name] - self.wanted_features[name]) ** 2).mean() for name in config.content_layers)
        style = sum(((self.gram(taps[name]) - self.wanted_grams[name]) ** 2).mean() for name in config.style_layers)
        total = config.content_weight * content / len(config.content_layers)
        total = total + config.style_weight * style / len(config.style_layers)
        if config.total_variation_weight:
            down, right = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
            total = total + config.total_variation_weight * ((down**2).mean() + (right**2).mean())
        return total


def torch_step(content, style, settings, threads, dtype, layout):
    """Adam of PyTorch, the image clipped after each step; returns a function that takes one step."""
    goal = TorchObjective(content, style, settings, threads, dtype, layout)
    image = goal.content.clone().requires_grad_(True)
    optimizer = goal.torch.optim.Adam([image], lr=LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        loss = goal.loss(image)
        loss.backward()
        optimizer.step()
        with goal.torch.no_grad():
            image.clamp_(0, 1)
        return float(loss.detach())

    return step


KINDS = {"nst_tf": nst_tf_step, "torch": torch_step}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def _serve(connection, kind, clock, arguments):
    step = KINDS[kind](*arguments)
    while (count := connection.recv()) is not None:
        losses, began = [], CLOCKS[clock]()
        for _ in range(count):
            losses.append(step())
        connection.send(((CLOCKS[clock]() - began) / count, losses[-1]))


class Timed:
    """What takes steps when asked, and how long each took."""

    def __init__(self):
        self.seconds = []
        self.loss = None

    def run(self, steps, *, counts=True):
        """Takes steps; their mean time is kept unless it is a warm-up."""
        seconds = self.take(steps)
        if counts:
            self.seconds.append(seconds)

    def median(self):
        return statistics.median(self.seconds)

    def least(self):
        return min(self.seconds)


class Contestant(Timed):
    """A process that takes steps when asked.

    Args:
        kind: a key of KINDS.
        arguments: content and style [1, H, W, 3], settings of the objective, threads, and what the kind takes further.
        clock: `wall`, or `cpu` for the process's CPU seconds, which other work on the machine hardly changes; threads
            that wait for each other count as well, so it compares contestants of one thread each.
    """

    def __init__(self, kind, *arguments, clock="wall"):
        super().__init__()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, clock, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def take(self, steps):
        """Takes steps; returns the mean seconds of one."""
        self._connection.send(steps)
        seconds, self.loss = self._connection.recv()
        return seconds

    def close(self):
        self._connection.send(None)
        self._process.join()


def alternate(contestants, *, rounds, steps):
    """Warms each contestant up, then lets them take steps in turn."""
    for contestant in contestants.values():
        contestant.run(2, counts=False)
    for _ in range(rounds):
        for contestant in contestants.values():
            contestant.run(steps)
