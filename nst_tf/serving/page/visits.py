"""Visits: each open page or program with its uploads and its jobs, in a folder of its own that goes with it.

A visit's name is a secret that is part of its addresses, so two visitors never see each other's pictures. Files are
named by the server alone.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from nst_tf import configs, errors
from nst_tf.pictures import images, samples
from nst_tf.serving.page import jobs

_FOLDER_PREFIX = "nst-tf-app-"
_LOCK_NAME = "lock"  # held as long as its server lives
_VIEW_SIDE_PX, _THUMB_SIDE_PX = 1280, 240
_UNSAFE = re.compile(r"[^\w. ()-]+")
_MAX_NAME_CHARACTERS = 60


class ServerBusyError(errors.ServingError):
    """What a server refuses because it has enough to do or to keep; the same request may be answered later."""


class NotFoundError(errors.ServingError):
    """A visit, a picture or a job that is not there, or no longer."""


class Upload:
    """A picture that a visitor sent.

    Attributes:
        id: its name in addresses.
        name: what messages and the command line call it; safe in both.
        width_px: of the upright picture.
        height_px: the same.
        folder: of its files: original, view.jpg, thumb.jpg.
    """

    def __init__(self, name: str, picture: images.Picture, data: bytes, folder: pathlib.Path) -> None:
        self.id = secrets.token_hex(8)
        self.name = name
        self.notes = picture.notes
        self.width_px, self.height_px = picture.width_px, picture.height_px
        self.folder = folder / self.id
        self.folder.mkdir()
        (self.folder / "original").write_bytes(data)
        write_views(self.folder, picture)

    def load(self) -> images.Picture:
        """The picture, with the name that the user knows."""
        return images.load((self.folder / "original").read_bytes(), name=self.name)

    def as_dict(self) -> dict[str, Any]:
        """What a page shows of it."""
        about = {"id": self.id, "name": self.name, "width_px": self.width_px, "height_px": self.height_px}
        return about | {"reference": f"picture:{self.id}", "notes": list(self.notes)}


class Visit:
    """One visitor. Its methods may be called from any thread.

    Attributes:
        token: the secret in its addresses.
        uploads: by id.
        jobs: by id, oldest first.
    """

    def __init__(self, folder: pathlib.Path, config: configs.AppConfig) -> None:
        self.token = secrets.token_urlsafe(24)
        self.uploads: dict[str, Upload] = {}
        self.jobs: dict[str, jobs.Job] = {}
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="visit-", dir=folder))
        self._config = config
        self._open_requests = 0
        self._last_seen = time.monotonic()
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], None]] = set()

    def changed(self) -> None:
        """Tells whoever watches that a job has changed."""
        for watcher in tuple(self._watchers):
            watcher()

    @contextlib.contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Calls watcher at every change, from whatever thread it happens in."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    @contextlib.contextmanager
    def seen(self) -> Iterator[None]:
        """Counts a request as open; the visit is not idle meanwhile."""
        with self._lock:
            self._open_requests += 1
        try:
            yield
        finally:
            with self._lock:
                self._open_requests -= 1
                self._last_seen = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since its page was closed or its program last asked."""
        with self._lock:
            return 0.0 if self._open_requests else time.monotonic() - self._last_seen

    def add(self, data: bytes, name: str) -> Upload:
        """Keeps an upload. Its size is read from its header before its pixels are.

        Raises:
            ImageError: not a picture, or a larger one than the server takes.
            ServerBusyError: the visit has as much as it may keep.
        """
        self.check_room(len(data))
        name = self._unused(safe_name(name))
        images.check_pixels(data, name, self._config.max_upload_pixels)
        upload = Upload(name, images.load(data, name=name), data, self._folder)
        self.uploads[upload.id] = upload
        return upload

    def check_room(self, more_bytes: int = 0) -> None:
        """Refuses more files than a visit may have.

        Raises:
            ServerBusyError: there is no room.
        """
        used = _size_bytes(self._folder) + more_bytes
        if used > self._config.max_visit_mb * 2**20:
            raise ServerBusyError(
                f"the pictures of a visit may take {self._config.max_visit_mb} MB. Received: {used / 2**20:.0f} MB. "
                "Remove some of them."
            )

    def upload(self, upload_id: str) -> Upload:
        """An upload by its id.

        Raises:
            NotFoundError: there is none.
        """
        if upload_id not in self.uploads:
            raise NotFoundError(f"there is no picture {upload_id[:40]!r} in this visit. Upload it again.")
        return self.uploads[upload_id]

    def job(self, job_id: str) -> "jobs.Job":
        """A job by its id.

        Raises:
            NotFoundError: there is none.
        """
        if job_id not in self.jobs:
            raise NotFoundError(f"there is no job {job_id[:40]!r} in this visit. Ask for it again.")
        return self.jobs[job_id]

    def load(self, reference: str) -> Any:
        """What an engine takes for a reference of this visit: a picture for an upload, others as they are."""
        if reference.startswith("picture:"):
            return self.upload(reference.removeprefix("picture:")).load()
        return reference

    def check_references(self, references: tuple[str, ...]) -> dict[str, str]:
        """Makes sure that every picture is there.

        Returns:
            reference -> the file name that the user knows, of the uploads.

        Raises:
            NotFoundError: an upload that is not there.
            ImageError: a sample that is none.
        """
        for reference in references:
            if reference.startswith(samples.PREFIX):
                samples.get(reference.removeprefix(samples.PREFIX))
        uploads = [reference for reference in references if reference.startswith("picture:")]
        return {reference: self.upload(reference.removeprefix("picture:")).name for reference in uploads}

    def new_folder(self) -> pathlib.Path:
        """A folder for the files of a job."""
        return pathlib.Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))

    def remove_upload(self, upload_id: str) -> None:
        """Removes an upload; a job that waits for it fails."""
        upload = self.upload(upload_id)
        del self.uploads[upload_id]
        shutil.rmtree(upload.folder, ignore_errors=True)

    def remove_job(self, job_id: str) -> None:
        """Removes a job and its files."""
        job = self.job(job_id)
        job.forget()
        del self.jobs[job_id]
        shutil.rmtree(job.folder, ignore_errors=True)

    def remove_files(self) -> None:
        """Removes everything of the visit."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unused(self, name: str) -> str:
        """The name, or with a number where another upload has it."""
        taken = {upload.name for upload in self.uploads.values()}
        stem, dot, suffix = name.rpartition(".")
        numbered = (f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}" for number in range(2, 10_000))
        return name if name not in taken else next(one for one in numbered if one not in taken)


class Visits:
    """Every visit of a server, in a folder that is removed with it. Folders of servers that were killed go, too."""

    def __init__(self, config: configs.AppConfig) -> None:
        self._config = config
        self._visits: dict[str, Visit] = {}
        _remove_orphans()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
        self._lock_file = open(self.folder / _LOCK_NAME, "w")  # noqa: SIM115  # as long as the server
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)

    def __iter__(self) -> Iterator[Visit]:
        return iter(tuple(self._visits.values()))

    def new(self) -> Visit:
        """Starts a visit; where there are too many, the one that has been idle for longest ends.

        Raises:
            ServerBusyError: all of them are in use.
        """
        if len(self._visits) >= self._config.max_visits:
            longest = max(self, key=lambda visit: visit.idle_s)
            if longest.idle_s <= self._config.cancel_after_s:
                raise ServerBusyError(
                    f"the server takes {self._config.max_visits} visits at a time. Received: one more. Try later."
                )
            self.remove(longest)
        visit = Visit(self.folder, self._config)
        self._visits[visit.token] = visit
        return visit

    def get(self, token: str) -> Visit:
        """The visit of a token.

        Raises:
            NotFoundError: it has ended, or never was.
        """
        if token not in self._visits:
            raise NotFoundError("this visit has ended, or the server was started anew. Load the page again.")
        return self._visits[token]

    def remove(self, visit: Visit) -> None:
        """Ends a visit: its jobs are cancelled and its files removed."""
        for job in tuple(visit.jobs.values()):
            job.forget()
        self._visits.pop(visit.token, None)
        visit.remove_files()

    def tidy(self) -> None:
        """Cancels the jobs of visits that were left, and removes those that were left long ago."""
        for visit in self:
            idle_s = visit.idle_s
            if idle_s > self._config.cancel_after_s:
                for job in tuple(visit.jobs.values()):
                    job.cancel()
            if idle_s > self._config.keep_s:
                self.remove(visit)

    def close(self) -> None:
        """Ends every visit and removes the folder."""
        for visit in self:
            self.remove(visit)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock_file.close()


def safe_name(name: str) -> str:
    """A file's name as messages, shells and addresses can have it: no folders, no separators, not long, not hidden."""
    last = re.split(r"[/\\]", name)[-1]
    safe = _UNSAFE.sub("_", last).strip(" .")
    stem, dot, suffix = safe.rpartition(".")
    if len(safe) > _MAX_NAME_CHARACTERS:
        safe = f"{stem[: _MAX_NAME_CHARACTERS - 8]}{dot}{suffix[:7]}" if stem else safe[:_MAX_NAME_CHARACTERS]
    return safe or "picture"


def write_views(folder: pathlib.Path, picture: images.Picture) -> None:
    """Writes view.jpg and thumb.jpg, which a page shows: upright, in sRGB, on white."""
    for name, side_px in (("view.jpg", _VIEW_SIDE_PX), ("thumb.jpg", _THUMB_SIDE_PX)):
        picture = images.scaled(picture, side_px)
        (folder / name).write_bytes(images.encode(picture.pixels, ".jpg"))


def _size_bytes(folder: pathlib.Path) -> int:
    """What the files in a folder take. Those that are removed meanwhile, by the worker or a request, count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _remove_orphans() -> None:
    """Removes the folders of servers that were killed: nobody holds their locks."""
    for lock in pathlib.Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*/{_LOCK_NAME}"):
        with contextlib.suppress(OSError), open(lock, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
