import pathlib
import sys

import pytest

from nst_tf.weights import cache


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
