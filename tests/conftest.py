"""Fixtures that several folders of tests share."""

import fcntl
import gc
import os
import pathlib
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


LONG_FIRST = ("tests/system", "tests/unit/export", "tests/unit/optimisation", "tests/unit/pipelines")


def pytest_collection_modifyitems(items):
    """Puts the folders of long files first: `make test` gives out whole files, and short ones end together."""
    others = len(LONG_FIRST)
    items.sort(key=lambda item: next((n for n, long in enumerate(LONG_FIRST) if item.nodeid.startswith(long)), others))


def pytest_collection_finish():
    """Does without what costs the tests more than it gives them.

    TensorFlow's million objects are left out of the searches for garbage, which took a twentieth of the time. Its graph
    optimiser took half the time of a trace, and tiny networks run a few steps; it is on in the processes of programs,
    and so in tests/system and in every check of a bundle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory):
    """Puts what is written outside tmp_path, also by processes that are killed, where pytest clears up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session")
def reference_data():
    """The folder of reference pictures that are not shipped; the test is skipped where it is absent."""
    folder = pathlib.Path(os.environ.get("NST_TF_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no reference pictures in {folder}: set NST_TF_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_version(tmp_path_factory):
    """The folder of version 1 of the model `tiny`, a bundle of the tiny network."""

    def export(root):
        from nst_tf.export import bundle
        from tests.tiny import tiny_bundle

        bundle.export_gatys(root, tiny_bundle.config(), tiny_bundle.LIMITS, extractor=tiny_bundle.Network())

    return _exported_once(tmp_path_factory, "tiny", export)


@pytest.fixture(scope="session")
def adain_version(tmp_path_factory):
    """The folder of version 1 of the model `adain`, a bundle of the tiny network of AdaIN."""

    def export(root):
        from tests.tiny import tiny_bundle

        tiny_bundle.export_adain(root)

    return _exported_once(tmp_path_factory, "adain", export)


@pytest.fixture(scope="session")
def styles_version(tmp_path_factory):
    """The folder of version 1 of the model `styles`, a bundle of the tiny network for many styles."""

    def export(root):
        from tests.tiny import tiny_bundle

        tiny_bundle.export_multi_style(root)

    return _exported_once(tmp_path_factory, "styles", export)


def _exported_once(tmp_path_factory, name, export):
    """Version 1 of a model, exported by the first of the processes that share the tests."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    root = folder / "models" / name
    root.parent.mkdir(exist_ok=True)
    with open(root.parent / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "1").is_dir():
            export(root)
    return root / "1"
