"""Files that are whole or not there."""

import errno
import os
import pathlib
import tempfile
import threading

import pytest

from nst_tf import errors, files


def test_writes_the_data(tmp_path):
    files.write_atomically(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"


def test_replaces_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old and longer")
    files.write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_creates_missing_folders(tmp_path):
    files.write_atomically(tmp_path / "x" / "y" / "a", b"1")
    assert (tmp_path / "x" / "y" / "a").read_bytes() == b"1"


def test_takes_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write_atomically("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_leaves_no_temporary_file(tmp_path):
    files.write_atomically(tmp_path / "a", b"1")
    assert os.listdir(tmp_path) == ["a"]


def test_keeps_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.OutputError, match="Free space"):
        files.write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_leaves_nothing_behind_when_interrupted(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == []


def test_follows_a_symbolic_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_writes_a_name_of_255_bytes(tmp_path):
    files.write_atomically(tmp_path / ("n" * 255), b"1")
    assert os.listdir(tmp_path) == ["n" * 255]


def test_threads_that_write_one_file_leave_one_of_their_versions(tmp_path):
    versions = [bytes([i]) * 10000 for i in range(8)]
    threads = [threading.Thread(target=files.write_atomically, args=(tmp_path / "a", v)) for v in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in versions
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("function", [files.check_writable, lambda path: files.write_atomically(path, b"1")])
class TestBothRefuse:
    def test_a_folder(self, function, tmp_path):
        with pytest.raises(errors.OutputError, match="Received: a folder"):
            function(tmp_path)

    def test_an_empty_path(self, function):
        with pytest.raises(errors.OutputError, match="empty path"):
            function("")

    def test_a_file_where_the_folder_should_be(self, function, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(errors.OutputError, match="where a folder should be"):
            function(tmp_path / "file" / "a")

    def test_a_name_that_is_too_long(self, function, tmp_path):
        with pytest.raises(errors.OutputError, match="shorter name"):
            function(tmp_path / ("n" * 300))

    def test_a_null_byte(self, function, tmp_path):
        with pytest.raises(errors.OutputError, match="must be writable"):
            function(f"{tmp_path}/a\0b")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_without_permission(self, function, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(errors.OutputError, match="permissions"):
            function(tmp_path / "a")


def test_check_leaves_neither_a_file_nor_a_folder_behind(tmp_path):
    files.check_writable(tmp_path / "x" / "y" / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["n" * 256, "\N{CJK UNIFIED IDEOGRAPH-5149}" * 86, f"{'n' * 256}/a"])
def test_check_refuses_a_name_that_the_file_system_cannot_hold(tmp_path, name):
    with pytest.raises(errors.OutputError, match="shorter name"):
        files.check_writable(tmp_path / "new" / name)


def test_check_leaves_an_existing_file_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    files.check_writable(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.fixture
def no_temporary_folder(monkeypatch):
    """A read-only container: none of the folders that Python looks through can be written."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent"])


def test_temporary_files_go_into_shared_memory_where_no_folder_can_be_written(
    no_temporary_folder, monkeypatch, tmp_path
):
    monkeypatch.setattr(files, "_SHARED_MEMORY", str(tmp_path))
    files.ensure_temporary_folder()
    assert tempfile.gettempdir() == str(tmp_path)


def test_without_any_temporary_folder_one_line_names_tmpdir(no_temporary_folder, monkeypatch):
    monkeypatch.setattr(files, "_SHARED_MEMORY", "/nonexistent")
    with pytest.raises(errors.OutputError, match="Set TMPDIR"):
        files.ensure_temporary_folder()


@pytest.mark.parametrize("path", ["s3://bucket/out.png", "gs://bucket/out/a.png", pathlib.Path("gs://bucket/out")])
def test_a_path_in_an_object_store_is_refused_and_makes_no_folder(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    for write in (files.check_writable, lambda path: files.write_atomically(path, b"1")):
        with pytest.raises(errors.OutputError, match="must lie on this machine"):
            write(path)
    assert list(tmp_path.iterdir()) == []
