"""What L-BFGS gains from more memory, from preconditioning and from other forms of the objective: little.

    python -m benchmarks.curvature --size=256 --steps=100

Every row minimises the preset's objective from the content picture on the shipped variable z, x = sigmoid(4 z), with
the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) in NumPy, so that the first inverse Hessian H_0 is free:

- memory m: pairs kept.
- gradient: H_0 = 1 / (root mean square of each value's gradients so far + floor), which is Adam's preconditioner.
- secant: H_0 = root mean square of the steps over that of the gradient's changes, smoothed over 8 px.
- spectrum: H_0 multiplies each spatial frequency by what steps over changes of the gradient were in a run without it.
- square root, logarithm: of the objective, whose minimum is the same and whose curvature far from it is less.

The table gives the least objective after so many evaluations. Needs the extra `bench`.
"""

import numpy as np
import scipy.ndimage
import tensorflow as tf
from absl import app, flags

from benchmarks import contestants
from nst_tf import configs, precision
from nst_tf.optimisation import lbfgs

_SIZE = flags.DEFINE_integer("size", 256, "side of the square pictures, px")
_STEPS = flags.DEFINE_integer("steps", 100, "evaluations of each row")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture, resized to a square")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture, resized to a square")
_ONLY = flags.DEFINE_list("only", [], "names of the rows to run; all when empty")
MARKS = (10, 20, 30, 40, 60, 80, 100, 150, 200, 300)
FLOOR = 0.1  # of the mean of what a diagonal H_0 divides by
DECAY = 0.9  # of the running means of squares
BLUR_PX = 8
BANDS = 16  # of spatial frequency


def main(_):
    config = configs.preset("default", **configs.WITHOUT_CLEANING)
    content, style = contestants.squares(_SIZE.value, _CONTENT.value, _STYLE.value)
    policy, _ = precision.resolve("auto")
    goal, targets = contestants.nst_tf_objective(content, style, config, policy)
    evaluate = tf.function(lambda image: goal.terms_and_gradient(image, targets))

    def plain(z):
        """The objective and its gradient with respect to z."""
        image = lbfgs.lbfgs_image(tf.constant(z), content.shape).numpy()
        terms, gradient = evaluate(tf.constant(image, tf.float32))
        return float(terms.total[0]), gradient.numpy() * (lbfgs.SIGMOID_SLOPE * image * (1 - image))

    def transformed(function, slope):
        def of(z):
            loss, gradient = plain(z)
            return function(loss), slope(loss) * gradient

        return of

    logarithm = transformed(np.log, lambda loss: 1 / loss)
    root = transformed(np.sqrt, lambda loss: 0.5 / np.sqrt(loss))
    rows = {f"memory {memory}": (plain, memory, None, None) for memory in (20, 5, 50, 100)}
    rows |= {name: (plain, 20, kind, None) for name, kind in (("gradient", Gradient), ("secant", Secant))}
    rows["spectrum"] = (plain, 20, Spectrum, None)
    rows["square root"] = (root, 20, None, np.square)
    rows["logarithm"] = (logarithm, 20, None, np.exp)
    marks = [mark for mark in MARKS if mark <= _STEPS.value]
    print(f"{_SIZE.value} x {_SIZE.value} px, {policy}\n\n| H_0 or form | " + " | ".join(map(str, marks)) + " |")
    print("|---" * (len(marks) + 1) + "|", flush=True)
    for name, (function, memory, kind, back) in rows.items():
        if _ONLY.value and name not in _ONLY.value:
            continue
        learnt = None
        if kind is Spectrum:
            learnt = minimise(function, content, memory, None)[1]
        best = minimise(function, content, memory, kind and kind(learnt))[0]
        best = back(best) if back else best
        print(f"| {name} | " + " | ".join(f"{best[mark - 1]:.4f}" for mark in marks) + " |", flush=True)


class Gradient:
    """Adam's preconditioner."""

    def __init__(self, _):
        self._mean = 0.0

    def see(self, s, y, gradient):
        self._mean = DECAY * self._mean + (1 - DECAY) * gradient**2

    def __call__(self, vector):
        return _divided(vector, np.sqrt(self._mean))


class Secant:
    """Steps over changes of the gradient, by place and smoothed."""

    def __init__(self, _):
        self._s = self._y = 0.0

    def see(self, s, y, gradient):
        self._s = DECAY * self._s + (1 - DECAY) * s**2
        self._y = DECAY * self._y + (1 - DECAY) * y**2

    def __call__(self, vector):
        return _divided(vector, np.sqrt(_blurred(self._y) / _blurred(self._s)))


class Spectrum:
    """Steps over changes of the gradient, by frequency, from the pairs of an earlier run."""

    def __init__(self, pairs):
        self._side = pairs[0][0].shape[1]
        radius = np.hypot(np.fft.fftfreq(self._side)[:, None], np.fft.rfftfreq(self._side)[None])
        self._bands = np.minimum((radius / radius.max() * BANDS).astype(int), BANDS - 1)
        s, y = (sum(self._energy(pair[index]) for pair in pairs) for index in (0, 1))
        self._gain = np.sqrt(s / y)[self._bands][None, :, :, None]

    def _energy(self, vector):
        energy = (np.abs(np.fft.rfft2(vector, axes=(1, 2))) ** 2).sum(axis=(0, 3))
        return np.bincount(self._bands.ravel(), energy.ravel(), BANDS)

    def see(self, s, y, gradient):
        pass

    def __call__(self, vector):
        return np.fft.irfft2(np.fft.rfft2(vector, axes=(1, 2)) * self._gain, [self._side] * 2, axes=(1, 2))


def _divided(vector, divisor):
    """A diagonal H_0 times a vector, held off from division by nothing."""
    return vector / (divisor / divisor.mean() + FLOOR)


def _blurred(values):
    """The mean over a box of BLUR_PX and over the channels."""
    means = scipy.ndimage.uniform_filter(values.mean(axis=3, keepdims=True), [1, BLUR_PX, BLUR_PX, 1])
    return np.maximum(means, 1e-30)  # a running sum may end below 0


def minimise(function, content, memory, preconditioner):
    """The least value after each evaluation, and the last pairs."""
    z = lbfgs.lbfgs_start(tf.constant(content, tf.float64), memory=1).z.numpy().reshape(content.shape)
    loss, gradient = function(z)
    best, pairs = [loss], []
    direction = -gradient
    step = lbfgs.FIRST_STEP / np.sqrt(np.mean(direction**2))
    while len(best) < _STEPS.value:
        slope = np.vdot(gradient, direction)
        next_z = z + step * direction
        next_loss, next_gradient = function(next_z)
        best.append(min(best[-1], next_loss))
        if not next_loss <= loss + lbfgs.SUFFICIENT_DECREASE * step * slope:
            rise = next_loss - loss - step * slope
            step *= np.clip(-slope * step / (2 * rise), 0.1, 0.5)
            continue
        s, y = next_z - z, next_gradient - gradient
        z, loss, gradient = next_z, next_loss, next_gradient
        if preconditioner:
            preconditioner.see(s, y, gradient)
        if np.vdot(s, y) > lbfgs.CURVATURE * np.linalg.norm(s) * np.linalg.norm(y):
            pairs = [*pairs, (s, y)][-memory:]
        direction, step = -_two_loops(gradient, pairs, preconditioner or (lambda vector: vector)), 1.0
    return np.array(best), pairs


def _two_loops(gradient, pairs, h0):
    """H times the gradient."""
    q, shares = gradient.copy(), []
    for s, y in reversed(pairs):
        shares.append(np.vdot(s, q) / np.vdot(s, y))
        q -= shares[-1] * y
    s, y = pairs[-1]
    r = np.vdot(s, y) / np.vdot(y, h0(y)) * h0(q)
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        r += (share - np.vdot(y, r) / np.vdot(s, y)) * s
    return r


if __name__ == "__main__":
    app.run(main)
