import csv
import dataclasses
import os

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors, evaluation
from nst_tf.evaluation import lpips, noise, scores
from nst_tf.losses import objective
from nst_tf.optimisation import transfer
from nst_tf.pictures import colours, images, inputs
from tests.tiny import tiny_network

CONTENT, STYLE = tiny_network.picture(14, 18, seed=1), tiny_network.picture(12, 12, seed=2)


@pytest.fixture
def goal():
    return objective.Objective(
        extractor=tiny_network.TinyNetwork(), config=tiny_network.config(total_variation_weight=2.0)
    )


def picture(pixels, name):
    return images.Picture(pixels=pixels, alpha=None, sha256="", name=name)


def evaluate(goal, judged, **settings):
    config = configs.EvaluationConfig(**settings)
    return evaluation.evaluate(CONTENT, STYLE, judged, config, objective=goal)


def test_the_losses_are_those_of_the_objective(goal):
    judged = tiny_network.picture(14, 18, seed=3)
    (score,) = evaluate(goal, [picture(judged, "x.png")])
    terms = goal.terms(tf.constant(judged), goal.targets(tf.constant(CONTENT), [tf.constant(STYLE)]))
    assert list(score.losses) == ["content", "style", "total_variation", "total"]
    for name, loss in score.losses.items():
        assert loss == pytest.approx(float(terms.named()[name][0]), rel=1e-5)
    assert (score.image, score.width_px, score.height_px) == ("x.png", 18, 14)
    assert score.noise == noise.high_frequency_share(judged)
    assert score.lpips is None


def test_each_region_is_judged_by_its_own_style(goal):
    other = tiny_network.picture(12, 20, seed=5)
    left = np.zeros([1, 14, 18, 3], np.float32)
    left[:, :, :8] = 1
    made = tiny_network.picture(14, 18, seed=3)
    made[:, :, :8] = tiny_network.picture(14, 8, seed=2)

    def losses(*styles):
        masks = [left, 1 - left]
        return evaluation.evaluate(CONTENT, list(styles), [made], objective=goal, style_masks=masks)[0].losses

    found, turned = losses(STYLE, other), losses(other, STYLE)
    assert list(found) == ["content", "style", "total_variation", "total", "style_1", "style_2"]
    shares = (8 / 18, 10 / 18)
    assert found["style"] == pytest.approx(shares[0] * found["style_1"] + shares[1] * found["style_2"], rel=1e-4)
    assert found["total"] == pytest.approx(found["content"] + found["style"] + found["total_variation"], rel=1e-5)
    assert found["style_1"] != pytest.approx(turned["style_1"], rel=1e-2)
    with pytest.raises(errors.ConfigError, match="style_masks needs one mask for each of the 1"):
        evaluation.evaluate(CONTENT, STYLE, [made], objective=goal, style_masks=[left, 1 - left])


def test_a_result_is_judged_as_its_run_judged_it(goal):
    content, style = tiny_network.picture(56, 72, seed=1), tiny_network.picture(48, 80, seed=2)
    config = dataclasses.replace(goal.config, steps=4, max_side_px=36)
    result = transfer.stylize(content, style, config, objective=goal)
    (score,) = evaluation.evaluate(content, style, [result.image], objective=goal)
    assert score.losses["total"] == pytest.approx(result.best_loss, rel=1e-4)


def test_the_content_itself_has_no_content_loss_and_the_style_no_style_loss(goal):
    (score,) = evaluate(goal, [CONTENT])
    assert score.losses["content"] == 0
    assert score.losses["style"] > 0
    (score,) = evaluation.evaluate(CONTENT, CONTENT, [CONTENT], objective=goal)
    assert score.losses["style"] == pytest.approx(0, abs=1e-8)


def test_by_luminance_the_chroma_of_a_picture_does_not_count(goal):
    pale = CONTENT * 0.5 + 0.25
    luminance = dataclasses.replace(goal, config=dataclasses.replace(goal.config, colours="luminance"))
    (score,) = evaluation.evaluate(pale, STYLE, [colours.grey(pale)], objective=luminance)
    assert score.losses["content"] == pytest.approx(0, abs=1e-8)
    (score,) = evaluation.evaluate(pale, STYLE, [colours.grey(pale)], objective=goal)
    assert score.losses["content"] > 1e-4


def test_pictures_of_several_sizes_are_each_judged_at_their_own(goal):
    small, large = images.resize(CONTENT, 7, 9).clip(0, 1), images.resize(CONTENT, 28, 36)
    big = configs.EvaluationConfig()
    scores = evaluation.evaluate(large, STYLE, [large, large, CONTENT[:, ::-1]], big, objective=goal)
    assert [(score.width_px, score.height_px) for score in scores] == [(36, 28), (36, 28), (18, 14)]
    assert scores[0].losses["content"] == scores[1].losses["content"] == 0
    assert scores[2].losses["content"] > 0
    with pytest.raises(errors.ConfigError, match="size"):
        evaluation.evaluate(large, STYLE, [small], big, objective=goal)


def test_lpips_is_added_on_request(goal, monkeypatch):
    monkeypatch.setattr(lpips, "check_size", lambda *_: None)
    monkeypatch.setattr(lpips, "load", lambda name, on_message: lambda image, content: tf.constant([0.25]))
    (score,) = evaluate(goal, [CONTENT], lpips="vgg16")
    assert score.lpips == 0.25


def test_a_picture_of_another_aspect_ratio_and_none_at_all_are_refused(goal):
    with pytest.raises(errors.ImageError, match="a judged picture must have the content's aspect ratio"):
        evaluate(goal, [tiny_network.picture(18, 18)])
    with pytest.raises(errors.ImageError, match="at least one picture to judge"):
        evaluate(goal, [])


def test_the_judge_computes_in_float32_on_the_preset_asked_for():
    judge = configs.EvaluationConfig(objective="gatys", style_blend=(1.0, 2.0)).judge
    assert (judge.preset, judge.precision, judge.style_blend) == ("gatys", "float32", (1.0, 2.0))
    assert judge.style_weight == configs.preset("gatys").style_weight


def test_each_style_term_asked_for_has_a_column():
    judge = configs.EvaluationConfig(style_terms=("gram", "w2", "moments")).judge
    assert judge.style_weight == configs.preset("default").style_weight
    aim = objective.Objective(
        extractor=tiny_network.TinyNetwork(), config=tiny_network.config(style_terms=judge.style_terms)
    )
    (score,) = evaluate(aim, [CONTENT])
    assert evaluation.as_csv([score]).decode().startswith("image,width_px,height_px,content,style,w2,moments,")


def test_the_style_terms_of_a_preset_are_its_own_unless_others_are_asked_for():
    assert configs.EvaluationConfig(objective="mrf").judge.style_terms == ("mrf",)
    assert configs.EvaluationConfig(objective="mrf", style_terms=("gram",)).judge.style_terms == ("gram",)


def test_the_tables_hold_every_score():
    scores = [
        evaluation.Score(
            "a,b.png", 18, 14, {"content": 0.5, "style": 1.25, "total": 2.0}, 0.0123456789, 1.0, 2.0, 3.0, None
        ),
        evaluation.Score("c.png", 18, 14, {"content": 0.25, "style": 1e-7, "total": 2.0}, 0.5, 0.0, 0.0, 0.0, 0.75),
    ]
    rows = list(csv.DictReader(evaluation.as_csv(scores).decode().splitlines()))
    assert rows[0]["image"] == "a,b.png"
    assert [row["lpips"] for row in rows] == ["", "0.75"]
    assert float(rows[1]["style"]) == 1e-7
    header, first, second = evaluation.as_text(scores).splitlines()
    assert header.split() == [
        *("image", "width_px", "height_px", "content", "style", "total"),
        *("noise", "crosshatch", "specks", "frame", "lpips"),
    ]
    assert first.split() == ["a,b.png", "18", "14", "0.5", "1.25", "2", "0.012346", "1", "2", "3", "-"]
    assert second.split()[-1] == "0.75"


def test_the_content_is_scaled_to_the_judged_picture_exactly():
    judged = tiny_network.picture(21, 27)
    ((_, pictures),) = inputs.read_judged(np.zeros([42, 55, 3]), STYLE, [judged], tiny_network.config())
    assert pictures.content.pixels.shape == (1, 21, 27, 3)


def test_a_name_that_is_no_text_is_escaped_in_the_table():
    name = os.fsdecode(b"caf\xe9.png")
    score = scores.Score(name, 1, 1, {"total": 0.0}, 0.0, 1.0, 2.0, 0.0, None)
    assert rb"caf\udce9.png" in scores.as_csv([score])


def test_a_picture_too_small_for_lpips_is_refused_before_its_network_loads(goal):
    with pytest.raises(errors.ImageError, match="at least 31 px for LPIPS on alexnet"):
        evaluation.evaluate(CONTENT, STYLE, [CONTENT], configs.EvaluationConfig(lpips="alexnet"), objective=goal)
