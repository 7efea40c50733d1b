import os
import pathlib
import sys

import pytest

from nst_tf import errors
from nst_tf.weights import cache, vgg19
from tests.tiny import tiny_weights


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"NST_TF_HOME": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/nst_tf"),
        ("linux", {}, "/home/me/.cache/nst_tf"),
        ("darwin", {}, "/home/me/Library/Caches/nst_tf"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/nst_tf"),
    ],
)
def test_the_cache_folder_follows_the_platform(monkeypatch, platform, variables, expected):
    for name in ("NST_TF_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(pathlib.Path, "home", lambda: pathlib.Path("/home/me"))
    assert cache.folder() == pathlib.Path(expected)


@pytest.fixture
def no_home(monkeypatch):
    """A user whom neither HOME nor the list of users gives a home, as in a container with --user=12345."""
    for name in ("NST_TF_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


@pytest.fixture
def foreign_home(monkeypatch, tmp_path):
    """The home of another user, which may not even be searched."""
    for name in ("NST_TF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir(mode=0o000)
    monkeypatch.setenv("HOME", str(home))
    user = os.geteuid()
    if user == 0:  # root may search everywhere
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("home", ["no_home", "foreign_home"])
@pytest.mark.parametrize("use", [lambda: vgg19.load("auto"), lambda: cache.check("auto")], ids=["load", "check"])
def test_without_a_home_one_line_names_nst_tf_home(request, home, use):
    request.getfixturevalue(home)
    with pytest.raises(errors.WeightsError) as error:
        use()
    tiny_weights.assert_one_line(error, "Set NST_TF_HOME to a folder that can")


def test_a_cache_that_is_a_file_is_refused_in_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NST_TF_HOME", str(tmp_path / "file"))
    with pytest.raises(errors.WeightsError) as error:
        cache.check("auto")
    tiny_weights.assert_one_line(error, str(tmp_path / "file"), "Not a directory", "NST_TF_HOME")


def test_weights_from_a_file_need_no_cache(no_home):
    cache.check("vgg19.npz")


def test_the_check_of_a_cache_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("NST_TF_HOME", str(tmp_path / "cache"))
    cache.check("auto")
    assert list(tmp_path.iterdir()) == []
