"""Every file that once was a fault stays one that is read or refused."""

import pytest

from tests.fuzz import sandbox
from tests.system import command_line

CORPUS = command_line.ROOT / "tests" / "corpus"  # corpus/TARGET/what-it-did


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: str(path.relative_to(CORPUS)))
def test_a_file_that_once_was_a_fault_is_read_or_refused(box, path):
    outcome = box.run(path.parent.name, path.read_bytes())
    assert outcome.kind in sandbox.GOOD, outcome


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < 200_000
