"""The sandbox finds what it is there to find."""

import pytest

from tests.fuzz import faulty, mutation, sandbox, targets


@pytest.fixture(scope="module")
def faulty_box():
    with sandbox.Sandbox("tests.fuzz.faulty") as box:
        yield box


@pytest.mark.parametrize("name", faulty.FAULTS)
def test_a_fault_is_told_by_its_kind(faulty_box, name):
    outcome = faulty_box.run(name, b"x", time_cap_s=0.1 if name.startswith("hang") else sandbox.TIME_CAP_S)
    assert outcome.kind == name.split()[0], outcome


def test_a_sandbox_goes_on_after_a_crash(faulty_box):
    assert faulty_box.run("crash", b"").kind == "crash"
    assert faulty_box.run("read", b"").kind == "read"


@pytest.mark.parametrize("name", targets.TARGETS)
def test_good_files_are_read(box, name):
    for data in targets.TARGETS[name].seeds():
        outcome = box.run(name, data)
        assert outcome.kind == "read", outcome


def test_damages_are_the_same_for_the_same_seed():
    data = targets.TARGETS["picture"].seeds()[4]
    assert mutation.mutated(data, "7") == mutation.mutated(data, "7")
    assert len({mutation.mutated(data, str(seed)) for seed in range(50)}) > 45


@pytest.mark.parametrize(("target", "seed"), [("picture", 4), ("npz", 0), ("pth", 1), ("checkpoint", 0)])
def test_mending_gives_a_good_file_back_as_it_was(target, seed):
    data = targets.TARGETS[target].seeds()[seed]
    assert mutation.mended(data) == data
