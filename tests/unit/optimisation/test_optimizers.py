import functools

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


def quadratic(image, targets, loss_scale):
    """An objective with its minimum where the targets say, as terms_and_gradient."""
    wanted, curvature, factor = targets
    difference = image - wanted
    total = tf.reduce_sum(curvature * difference**2, axis=[1, 2, 3]) / 2
    return terms_of(total * factor), curvature * difference * factor


def problem(seed=0):
    """Targets whose minimum is inside the range."""
    generator = np.random.default_rng(seed)
    wanted = tf.constant(generator.uniform(0.2, 0.8, SHAPE), tf.float32)
    curvature = tf.constant(np.exp(generator.uniform(-3, 3, SHAPE)), tf.float32)
    return wanted, curvature, ONE


def ended_at(wanted):
    """Targets with one curvature everywhere."""
    return wanted, tf.ones(SHAPE), ONE


@functools.cache
def traced(kind, **settings):
    """An optimiser of the objective, traced once: problems are data to it."""
    return optimizers.BY_NAME[kind](quadratic, SHAPE, tiny_network.config(**settings))


def run(kind, targets, steps, start=None, bad_steps=(), **settings):
    """Steps from a start; the objective is not finite at some of them, counted from 1."""
    optimizer = traced(kind, **(settings if kind == "adam" else {}))
    optimizer.start(tf.fill(SHAPE, 0.5) if start is None else start)
    history = []
    for step in range(1, steps + 1):
        factor = tf.constant(float("nan")) if step in bad_steps else ONE
        history.append(float(optimizer.step((*targets[:2], factor), ONE).total[0]))
    return optimizer, history


@pytest.mark.parametrize(("kind", "steps"), [("lbfgs", 60), ("adam", 400)])
def test_an_optimiser_finds_the_minimum(kind, steps):
    optimizer, _ = run(kind, problem(), steps, learning_rate=0.03)
    np.testing.assert_allclose(optimizer.best_image, problem()[0], atol=2e-2)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_first_evaluation_is_at_the_start(kind):
    start = tf.fill(SHAPE, 0.4)
    _, history = run(kind, problem(), 1, start)
    np.testing.assert_allclose(history[0], quadratic(start, problem(), ONE)[0].total[0], rtol=1e-5)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_image_stays_in_range_when_the_minimum_is_outside(kind):
    wanted = tf.fill(SHAPE, 3.0)
    optimizer, _ = run(kind, ended_at(wanted), 40, learning_rate=0.1)
    image = optimizer.best_image.numpy()
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.min() > 0.95


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_the_best_image_is_the_one_of_the_lowest_objective(kind):
    optimizer, history = run(kind, problem(), 25, learning_rate=0.3)
    assert float(optimizer.best_loss) == min(history)
    again = quadratic(optimizer.best_image, problem(), ONE)[0].total[0]
    np.testing.assert_allclose(again, min(history), rtol=1e-4)


@pytest.mark.parametrize("kind", optimizers.BY_NAME)
def test_a_second_run_repeats_the_first(kind):
    _, history = run(kind, problem(), 12)
    assert run(kind, problem(), 12)[1] == history


def test_the_plain_form_of_convolutions_keeps_the_order_of_lbfgs_sums():
    generator = np.random.default_rng(0)
    *vectors, last = (tf.constant(generator.standard_normal(3 * 97**2), tf.float32) for _ in range(4))
    assert lbfgs.products_of(tiny_network.config(convolution="direct")) is lbfgs.column_products
    assert lbfgs.products_of(tiny_network.config(convolution="auto")) is lbfgs.row_products
    in_that_order = [tf.tensordot(vector, last, 1) for vector in vectors]
    np.testing.assert_array_equal(lbfgs.column_products(vectors, last), in_that_order)
    np.testing.assert_allclose(lbfgs.row_products(vectors, last), in_that_order, atol=0.1)


def test_lbfgs_goes_on_after_evaluations_that_are_not_finite():
    optimizer, history = run("lbfgs", problem(), 60, bad_steps=(3, 4, 9))
    assert np.isnan([history[2], history[3], history[8]]).all()
    np.testing.assert_allclose(optimizer.best_image, problem()[0], atol=3e-2)


def test_lbfgs_drops_its_history_when_no_step_along_a_direction_helps():
    optimizer, history = run("lbfgs", problem(), 80, bad_steps=range(6, 6 + lbfgs.MAX_BACKTRACKS + 1))
    assert int(optimizer.fallbacks) == 1
    assert float(optimizer.best_loss) < 0.01 * history[0]


def test_adam_keeps_its_best_image_when_the_objective_is_not_finite():
    optimizer, history = run("adam", problem(), 30, bad_steps=range(11, 31))
    assert float(optimizer.best_loss) == np.nanmin(history)
    assert np.isfinite(optimizer.best_image).all()


@pytest.mark.parametrize("epsilon", [1e-7, 0.1])
def test_adam_takes_the_steps_of_keras_adam(epsilon):
    theirs = keras.optimizers.Adam(0.03, 0.8, epsilon=epsilon)
    image = tf.Variable(tf.fill(SHAPE, 0.5))
    for _ in range(20):
        theirs.apply([quadratic(image, problem(), ONE)[1]], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))
    ours, _ = run("adam", problem(), 20, learning_rate=0.03, beta_1=0.8, epsilon=epsilon)
    np.testing.assert_allclose(ours.state()["image"], image, atol=1e-5)


def after_a_pair(state, *vectors):
    """The state after a step s to z has been accepted."""
    s, y, z, gradient = (tf.constant(vector, tf.float32) for vector in vectors)
    known = lbfgs._with_pair(state, s, y, lbfgs.row_products)
    return lbfgs._accepted(known, z, tf.constant(1.0), gradient, s, lbfgs.row_products)._replace(s=known.s, y=known.y)


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
        state = after_a_pair(state, s, hessian @ s, z, gradient)
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs[-memory:]):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs[-memory:], reversed(alphas), strict=True):
        q += (alpha - y @ q / (s @ y)) * s
    np.testing.assert_allclose(state.direction, -q, rtol=2e-3, atol=2e-3 * np.abs(q).max())


def test_what_a_reset_leaves_in_memory_does_not_count():
    fresh = lbfgs.lbfgs_start(tf.fill([1, 2, 2, 3], 0.5), 4)._replace(loss=tf.constant(1.0), gradient=tf.ones([12]))
    generator = np.random.default_rng(0)
    left = tuple(tf.constant(generator.normal(size=12), tf.float32) for _ in range(4))
    states = [fresh, fresh._replace(s=left, y=left[::-1])]
    for _ in range(6):  # two more than the memory
        s, gradient = generator.normal(size=(2, 12))
        states = [after_a_pair(state, s, 2 * s, s, gradient) for state in states]
        np.testing.assert_array_equal(states[0].direction, states[1].direction)
        np.testing.assert_array_equal(states[0].sy, states[1].sy)
    assert int(states[0].pairs) == 6


def test_lbfgs_is_indifferent_to_the_scale_of_the_objective():
    wanted, curvature, _ = problem()
    plain, tiny = (run("lbfgs", (wanted, curvature * scale, ONE), 20)[0].best_image for scale in (1, 1e-8))
    np.testing.assert_allclose(tiny, plain, atol=1e-2)


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

    optimizer = optimizers.BY_NAME["adam"](terms_and_gradient, SHAPE, tiny_network.config())
    optimizer.start(tf.fill(SHAPE, 0.5))
    for _ in range(5):
        optimizer.step((), ONE)
    assert len(traces) == 1


def test_a_start_of_black_and_white_can_move():
    wanted = tf.fill(SHAPE, 0.5)
    start = tf.constant(np.random.default_rng(0).integers(0, 2, SHAPE), tf.float32)
    optimizer, _ = run("lbfgs", ended_at(wanted), 40, start)
    np.testing.assert_allclose(optimizer.best_image, wanted, atol=2e-2)


@pytest.mark.slow  # as every graph that is exported
def test_lbfgs_runs_inside_a_graph_loop():
    @tf.function
    def whole_run(image):
        state = lbfgs.lbfgs_start(image, 3)
        for _ in tf.range(60):
            state, _ = lbfgs.lbfgs_step(
                state, tf.shape(image), lambda x: quadratic(x, problem(), ONE), lbfgs.row_products
            )
        return lbfgs.lbfgs_image(state.z, tf.shape(image))

    np.testing.assert_allclose(whole_run(tf.fill(SHAPE, 0.5)), problem()[0], atol=2e-2)


def test_an_average_of_one_step_is_that_steps_image():
    inner = traced("lbfgs")
    inner.start(tf.fill(SHAPE, 0.5))
    averaged = averaging.Averaged(inner, 0.9)
    averaged.step(problem(), ONE)
    np.testing.assert_allclose(averaged.best_image, inner.best_image, atol=1e-6)


def test_an_average_weighs_later_images_more():
    inner = traced("lbfgs")
    inner.start(tf.fill(SHAPE, 0.5))
    averaged = averaging.Averaged(inner, 0.5)
    shown = []
    for _ in range(3):
        averaged.step(problem(), ONE)
        shown.append(inner.best_image)
    expected = (shown[0] + 2 * shown[1] + 4 * shown[2]) / 7
    np.testing.assert_allclose(averaged.best_image, expected, atol=1e-6)
