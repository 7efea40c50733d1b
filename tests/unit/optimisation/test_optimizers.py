import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_tf.losses import objective
from nst_tf.optimisation import averaging, lbfgs, optimizers
from tests.tiny import tiny_network

SHAPE = tf.TensorShape([1, 6, 5, 3])
ONE = tf.constant(1.0)


def terms_of(total):
    zero = tf.zeros_like(total)
    return objective.Terms(total, {"content": total, "style": zero, "total_variation": zero}, {})


def quadratic(wanted, curvature):
    """An objective with one minimum inside the range, as terms_and_gradient."""

    def terms_and_gradient(image, targets, loss_scale):
        difference = image - wanted
        return terms_of(tf.reduce_sum(curvature * difference**2, axis=[1, 2, 3]) / 2), curvature * difference

    return terms_and_gradient


def problem(seed=0):
    generator = np.random.default_rng(seed)
    wanted = tf.constant(generator.uniform(0.2, 0.8, SHAPE), tf.float32)
    curvature = tf.constant(np.exp(generator.uniform(-3, 3, SHAPE)), tf.float32)
    return wanted, curvature


def run(kind, terms_and_gradient, steps, start=None, **settings):
    optimizer = optimizers.BY_NAME[kind](terms_and_gradient, SHAPE, tiny_network.config(**settings))
    optimizer.start(tf.fill(SHAPE, 0.5) if start is None else start)
    history = [float(optimizer.step((), ONE).total[0]) for _ in range(steps)]
    return optimizer, history


@pytest.mark.parametrize(("kind", "steps"), [("lbfgs", 60), ("adam", 400)])
def test_an_optimiser_finds_the_minimum(kind, steps):
    wanted, curvature = problem()
    optimizer, _ = run(kind, quadratic(wanted, curvature), steps, learning_rate=0.03)
    np.testing.assert_allclose(optimizer.best_image, wanted, atol=2e-2)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_first_evaluation_is_at_the_start(kind):
    wanted, curvature = problem()
    start = tf.fill(SHAPE, 0.4)
    terms_and_gradient = quadratic(wanted, curvature)
    _, history = run(kind, terms_and_gradient, 1, start)
    np.testing.assert_allclose(history[0], terms_and_gradient(start, (), ONE)[0].total[0], rtol=1e-5)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_image_stays_in_range_when_the_minimum_is_outside(kind):
    wanted = tf.fill(SHAPE, 3.0)
    optimizer, _ = run(kind, quadratic(wanted, tf.ones(SHAPE)), 40, learning_rate=0.1)
    image = optimizer.best_image.numpy()
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.min() > 0.95


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_best_image_is_the_one_of_the_lowest_objective(kind):
    wanted, curvature = problem()
    terms_and_gradient = quadratic(wanted, curvature)
    optimizer, history = run(kind, terms_and_gradient, 25, learning_rate=0.3)
    assert float(optimizer.best_loss) == min(history)
    again = terms_and_gradient(optimizer.best_image, (), ONE)[0].total[0]
    np.testing.assert_allclose(again, min(history), rtol=1e-4)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_a_second_run_repeats_the_first(kind):
    wanted, curvature = problem()
    optimizer, history = run(kind, quadratic(wanted, curvature), 12)
    optimizer.start(tf.fill(SHAPE, 0.5))
    assert [float(optimizer.step((), ONE).total[0]) for _ in range(12)] == history


def nan_at(bad_steps, terms_and_gradient):
    """The objective, not finite at some of the evaluations."""
    count = tf.Variable(0)

    def with_nan(image, targets, loss_scale):
        terms, gradient = terms_and_gradient(image, targets, loss_scale)
        is_bad = tf.reduce_any(count.assign_add(1) == tf.constant(bad_steps))
        factor = tf.where(is_bad, float("nan"), 1.0)
        return terms_of(terms.total * factor), gradient * factor

    return with_nan


def test_lbfgs_goes_on_after_evaluations_that_are_not_finite():
    wanted, curvature = problem()
    optimizer, history = run("lbfgs", nan_at([3, 4, 9], quadratic(wanted, curvature)), 60)
    assert np.isnan([history[2], history[3], history[8]]).all()
    np.testing.assert_allclose(optimizer.best_image, wanted, atol=3e-2)


def test_lbfgs_drops_its_history_when_no_step_along_a_direction_helps():
    wanted, curvature = problem()
    bad = list(range(6, 6 + lbfgs.MAX_BACKTRACKS + 1))
    optimizer, history = run("lbfgs", nan_at(bad, quadratic(wanted, curvature)), 80)
    assert int(optimizer.fallbacks) == 1
    assert float(optimizer.best_loss) < 0.01 * history[0]


def test_adam_keeps_its_best_image_when_the_objective_is_not_finite():
    wanted, curvature = problem()
    optimizer, history = run("adam", nan_at(list(range(11, 31)), quadratic(wanted, curvature)), 30)
    assert float(optimizer.best_loss) == np.nanmin(history)
    assert np.isfinite(optimizer.best_image).all()


@pytest.mark.parametrize("epsilon", [1e-7, 0.1])
def test_adam_takes_the_steps_of_keras_adam(epsilon):
    wanted, curvature = problem()
    terms_and_gradient = quadratic(wanted, curvature)
    theirs = keras.optimizers.Adam(0.03, 0.8, epsilon=epsilon)
    image = tf.Variable(tf.fill(SHAPE, 0.5))
    for _ in range(20):
        theirs.apply([terms_and_gradient(image, (), ONE)[1]], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))
    ours, _ = run("adam", terms_and_gradient, 20, learning_rate=0.03, beta_1=0.8, epsilon=epsilon)
    np.testing.assert_allclose(ours.state()["image"], image, atol=1e-5)


def test_the_compact_direction_is_that_of_the_two_loop_recursion():
    memory = 4
    generator = np.random.default_rng(1)
    n = 12
    matrix = generator.normal(size=[n, n])
    hessian = matrix @ matrix.T + np.eye(n)
    state = lbfgs.lbfgs_start(tf.fill([1, 2, 2, 3], 0.5), memory)
    state = state._replace(loss=tf.constant(1.0))
    pairs = []
    z, gradient = np.zeros(n), np.ones(n)
    state = state._replace(z=tf.constant(z, tf.float32), gradient=tf.constant(gradient, tf.float32))
    for _ in range(6):  # two more than the memory, so that the ring goes round
        s = generator.normal(size=n)
        z, gradient = z + s, gradient + hessian @ s
        pairs.append((s, hessian @ s))
        state = lbfgs._accepted(state, tf.constant(z, tf.float32), tf.constant(1.0), tf.constant(gradient, tf.float32))
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs[-memory:]):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs[-memory:], reversed(alphas), strict=True):
        q += (alpha - y @ q / (s @ y)) * s
    np.testing.assert_allclose(state.direction, -q, rtol=2e-3, atol=2e-3 * np.abs(q).max())


def test_lbfgs_is_indifferent_to_the_scale_of_the_objective():
    wanted, curvature = problem()
    plain, _ = run("lbfgs", quadratic(wanted, curvature), 20)
    tiny, _ = run("lbfgs", quadratic(wanted, curvature * 1e-8), 20)
    np.testing.assert_allclose(tiny.best_image, plain.best_image, atol=1e-2)


def test_one_trace_serves_every_step_and_at_most_two_serve_every_size():
    traces = []

    def terms_and_gradient(image, targets, loss_scale):
        traces.append(1)
        return terms_of(tf.reduce_sum(image**2, axis=[1, 2, 3])), 2 * image

    optimizer = lbfgs.Lbfgs(terms_and_gradient, SHAPE, tiny_network.config())
    for size in (6, 6, 7, 8, 9, 10):
        optimizer.start(tf.fill([1, size, size, 3], 0.5))
        for _ in range(3):
            optimizer.step((), ONE)
    assert len(traces) <= 2


def test_adam_is_traced_once():
    traces = []

    def terms_and_gradient(image, targets, loss_scale):
        traces.append(1)
        return terms_of(tf.reduce_sum(image**2, axis=[1, 2, 3])), 2 * image

    run("adam", terms_and_gradient, 5)
    assert len(traces) == 1


def test_a_start_of_black_and_white_can_move():
    wanted = tf.fill(SHAPE, 0.5)
    start = tf.constant(np.random.default_rng(0).integers(0, 2, SHAPE), tf.float32)
    optimizer, _ = run("lbfgs", quadratic(wanted, tf.ones(SHAPE)), 40, start)
    np.testing.assert_allclose(optimizer.best_image, wanted, atol=2e-2)


def test_lbfgs_runs_inside_a_graph_loop():
    wanted, curvature = problem()
    terms_and_gradient = quadratic(wanted, curvature)

    @tf.function
    def whole_run(image):
        state = lbfgs.lbfgs_start(image, 5)
        for _ in tf.range(60):
            state, _ = lbfgs.lbfgs_step(state, tf.shape(image), lambda x: terms_and_gradient(x, (), ONE))
        return lbfgs.lbfgs_image(state.z, tf.shape(image))

    np.testing.assert_allclose(whole_run(tf.fill(SHAPE, 0.5)), wanted, atol=2e-2)


def test_an_average_of_one_step_is_that_steps_image():
    wanted, curvature = problem()
    inner = lbfgs.Lbfgs(quadratic(wanted, curvature), SHAPE, tiny_network.config())
    inner.start(tf.fill(SHAPE, 0.5))
    averaged = averaging.Averaged(inner, 0.9)
    averaged.step((), ONE)
    np.testing.assert_allclose(averaged.best_image, inner.best_image, atol=1e-6)


def test_an_average_weighs_later_images_more():
    wanted, curvature = problem()
    inner = lbfgs.Lbfgs(quadratic(wanted, curvature), SHAPE, tiny_network.config())
    inner.start(tf.fill(SHAPE, 0.5))
    averaged = averaging.Averaged(inner, 0.5)
    shown = []
    for _ in range(3):
        averaged.step((), ONE)
        shown.append(inner.best_image)
    expected = (shown[0] + 2 * shown[1] + 4 * shown[2]) / 7
    np.testing.assert_allclose(averaged.best_image, expected, atol=1e-6)
