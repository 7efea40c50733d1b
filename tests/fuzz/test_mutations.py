"""Damaged files of every format, seeded: each is read or refused, within the caps of the sandbox."""

import collections

import pytest

from tests.fuzz import mutation, sandbox, targets


def cases(count):
    """Every target's good files in turn, damaged; the same ones on every run."""
    for number in range(count):
        name = list(targets.TARGETS)[number % len(targets.TARGETS)]
        good = targets.TARGETS[name].seeds()
        yield name, mutation.mutated(good[number // len(targets.TARGETS) % len(good)], f"{name} {number}", good)


@pytest.mark.parametrize("count", [260, pytest.param(30_000, marks=pytest.mark.slow)])
def test_damaged_files_are_read_or_refused(box, count, record_property):
    outcomes = [box.run(*case) for case in cases(count)]
    faults = [(n, o) for n, o in enumerate(outcomes) if o.kind not in sandbox.GOOD]
    kinds = collections.Counter(outcome.kind for outcome in outcomes)
    record_property("outcomes", dict(kinds))
    record_property("highest growth, bytes", max(outcome.growth_bytes for outcome in outcomes))
    record_property("longest, s", max(outcome.seconds for outcome in outcomes))
    assert not faults, faults[:5]
    assert min(kinds["read"], kinds["refused"]) > count / 10  # both ways through the readers were taken
