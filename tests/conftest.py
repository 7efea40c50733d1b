"""Fixtures that several folders of tests share."""

import os
import pathlib
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


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
    from nst_tf.export import bundle
    from tests.tiny import tiny_bundle

    root = tmp_path_factory.mktemp("models") / "tiny"
    return bundle.export_gatys(root, tiny_bundle.config(), tiny_bundle.LIMITS, extractor=tiny_bundle.Network())
