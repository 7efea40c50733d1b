import math

import pytest

from nst_tf import configs, errors, machine, vgg
from nst_tf.optimisation import memory_plan

GIB = 2**30


def plan(side_px=2048, budget_gib=math.inf, *, policy="mixed_bfloat16", can_tile=True, regions=0, **settings):
    settings = {"optimizer": "adam"} | settings
    config = configs.preset("default", **settings)
    return memory_plan.plan(config, policy, side_px, side_px, budget_gib * GIB, can_tile=can_tile, regions=regions)


@pytest.mark.parametrize(
    ("layer", "halo_px"),
    [("conv1_1", 1), ("conv1_2", 2), ("conv2_1", 4), ("conv3_1", 12), ("conv4_2", 40), ("conv5_1", 80)],
)
def test_the_halo_is_the_receptive_field_rounded_up_to_the_stride(layer, halo_px):
    assert vgg.halo_px((layer,)) == halo_px


def test_without_a_limit_a_picture_is_computed_whole_with_every_pair():
    found = plan(8192, optimizer="lbfgs", lbfgs_memory=20)
    assert not found.is_tiled
    assert found.lbfgs_memory == 20


def test_each_region_needs_its_guides_and_a_copy_of_the_features():
    none, one, two = (plan(1024, regions=regions).peak_bytes for regions in (0, 1, 2))
    assert none < one < two
    assert two - one >= 1024**2 * (4 * (1 + 1 / 4 + 1 / 16) + 2 * 64)


@pytest.mark.parametrize("side_px", [512, 1000, 2048, 4096])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_plan_keeps_within_its_budget(side_px, optimizer):
    for budget_gib in (1.5, 2, 3, 4, 6, 8, 16):
        try:
            found = plan(side_px, budget_gib, optimizer=optimizer)
        except errors.MemoryBudgetError:
            continue
        assert found.peak_bytes <= budget_gib * GIB
        assert found.tile_height_px % 16 == found.tile_width_px % 16 == 0


def test_4096_px_fit_into_4_gib_with_adam():
    assert plan(4096, 4).is_tiled


def test_tiles_take_less_memory_and_more_work():
    whole, tiled = plan(2048), plan(2048, 3)
    assert tiled.is_tiled
    assert tiled.peak_bytes < whole.peak_bytes
    assert 1.3 < tiled.step_flop / whole.step_flop < 2.5


def test_two_large_tiles_cost_less_than_1_7_times_the_work():
    assert plan(2048, 6).step_flop / plan(2048).step_flop < 1.45


def test_more_memory_is_never_slower():
    work = [plan(2048, gib).step_flop for gib in (2, 2.5, 3, 4, 5, 6, 8, 10, 20)]
    assert work == sorted(work, reverse=True)


def test_pairs_are_given_up_before_a_picture_is_cut():
    whole = plan(1024, optimizer="lbfgs", lbfgs_memory=20)
    found = plan(1024, (whole.peak_bytes - 5 * 24 * 1024**2) / GIB, optimizer="lbfgs", lbfgs_memory=20)
    assert not found.is_tiled
    assert found.lbfgs_memory == 15


def test_a_step_of_the_whole_is_two_passes_through_the_network():
    found = plan(512, total_variation_weight=0.0)
    assert found.step_flop == pytest.approx(379e9, rel=0.05)  # counted for 512 x 512 px and five style layers


def test_the_work_of_tiles_is_counted_tile_by_tile():
    config = configs.preset("default")
    whole = memory_plan._step_flop(config, (1024, 1024), (1024, 1024))
    tiled = memory_plan._step_flop(config, (1024, 1024), (512, 512))
    read_px = (512 + 80) ** 2
    assert tiled / whole == pytest.approx((3 * 4 - 1) * read_px / (2 * 1024**2))


@pytest.mark.parametrize("name", ["total_variation_weight", "specks_weight"])
def test_a_term_on_a_strip_counts_where_a_strip_is_longer_than_its_tile_is_large(name):
    none = {"total_variation_weight": 0.0, "specks_weight": 0.0}
    with_it, without = (
        min(
            memory_plan._candidates(
                configs.preset("default", optimizer="adam", **(none | {name: weight})),
                "mixed_bfloat16",
                256,
                2**16,
                math.inf,
                True,
                regions=0,
            ),
            key=lambda candidate: candidate.peak_bytes,
        ).peak_bytes
        for weight in (10.0, 0.0)
    )
    assert with_it - without > 100 * 256 * 2**16


@pytest.mark.parametrize("name", ["frame_weight", "crosshatch_weight"])
def test_terms_that_keep_the_content_have_room_for_it(name):
    def whole_bytes(weight):
        config = configs.preset("default", **(configs.WITHOUT_CLEANING | {name: weight}))
        return memory_plan.plan(config, "float32", 512, 384, math.inf).peak_bytes

    assert whole_bytes(30.0) - whole_bytes(0.0) == 3 * 4 * 512 * 384


def test_what_does_not_fit_is_refused_with_a_size_and_a_budget_that_do():
    with pytest.raises(errors.MemoryBudgetError, match="4096 x 4096 px need at least") as refused:
        plan(4096, 2)
    message = str(refused.value)
    side_px = int(message.split("--size=")[1].split(",")[0])
    assert plan(side_px, 2).peak_bytes <= 2 * GIB
    with pytest.raises(errors.MemoryBudgetError):
        plan(side_px + 16, 2)
    need_mb = int(message.split("--memory_budget_mb=")[1].split()[0])
    assert plan(4096, need_mb / 1024).peak_bytes <= need_mb * 2**20


def test_a_budget_below_any_tile_names_no_size():
    with pytest.raises(errors.MemoryBudgetError, match="No size fits"):
        plan(512, 0.5)


def test_an_objective_of_the_callers_own_is_never_cut():
    with pytest.raises(errors.MemoryBudgetError):
        plan(2048, 3, can_tile=False)


def test_a_plan_says_what_it_does():
    config = configs.preset("default", optimizer="lbfgs")
    text = memory_plan.plan(config, "mixed_bfloat16", 2048, 2048, 4 * GIB).describe(config)
    for word in ("2048 x 2048 px in", "tiles of", "lbfgs_memory", "in place of 20", "MB"):
        assert word in text


def test_the_free_memory_is_the_containers_where_that_is_less(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.available_bytes() == 8000 * 1024
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    assert machine.available_bytes() == 3000000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_bytes() == 8000 * 1024


def test_the_matting_term_counts_what_it_keeps_of_the_content():
    with_it, without = (plan(2048, photorealism_weight=weight).peak_bytes for weight in (100.0, 0.0))
    assert with_it - without == 36 * 2048**2
