"""Jobs: a queue and one worker, the only thread that computes.

Pictures of one pass take a second and an optimisation takes minutes, so the former are done between two steps of the
latter: nobody waits for minutes to see a first picture. Among their kind, jobs run in the order in which they came.
"""

import collections
import contextlib
import json
import pathlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from nst_tf import errors, files, results
from nst_tf.pictures import images
from nst_tf.serving.page import orders

_PREVIEW_INTERVAL_S = 1.0  # between two live pictures
_PREVIEW_SIDE_PX = 768
_THUMB_SIDE_PX = 320
_MOST_POINTS = 240  # of a loss curve; when there are more, every other one goes
_QUICK_A_REPORT = 4  # quick jobs between two reports of a long one, and before a long one that waits
_LAST_STEP_S = 3.0  # that the worker gets to end; loading and tracing cannot be interrupted
_ENDED = ("done", "failed", "cancelled")

OnChange = Callable[[], None]


class Studio(Protocol):
    """What does the work."""

    def warm_up(self) -> None:
        """Loads what every job needs."""
        ...

    def make(
        self,
        order: orders.Order,
        load: Callable[[str], Any],
        on_report: results.OnReport,
        on_message: Callable[[str], None],
    ) -> results.Result:
        """Makes the picture of an order; load turns a reference into a picture."""
        ...


class Job:
    """An order on its way to a picture. The worker changes it, everybody may read it.

    Attributes:
        id: its name in addresses.
        order: what was asked for.
        command_line: what repeats it.
        folder: of its files: result.png, result.png.json, view.jpg, thumb.jpg.
        state: waiting, running, done, failed or cancelled. A cancelled job that had a picture is done.
        preview: the live picture as a JPEG, once there is one.
        version: grows with every change.
    """

    def __init__(
        self,
        order: orders.Order,
        *,
        folder: pathlib.Path,
        load: Callable[[str], Any],
        command_line: str,
        file_name: str,
        on_change: OnChange,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.order = order
        self.folder = folder
        self.load = load
        self.command_line = command_line
        self.file_name = file_name
        self.state = "waiting"
        self.preview = b""
        self.version = 0
        self.is_forgotten = False
        self._on_change = on_change
        self._about: dict[str, Any] = {"place": 0, "preview": 0, "losses": [], "messages": []}
        self._cancel = threading.Event()
        self._ended = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked for its end."""
        return self._cancel.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in _ENDED

    def cancel(self) -> None:
        """Asks for the end of a job. One that runs keeps the picture so far."""
        self._cancel.set()
        if self.state == "waiting":
            self.change(state="cancelled")

    def forget(self) -> None:
        """Ends a job whose files are gone or about to go; nothing of it is written any more."""
        self.is_forgotten = True
        self.cancel()

    def change(self, *, state: str | None = None, **about: Any) -> None:
        """Notes what is new, and tells whoever watches."""
        self._about.update(about)
        if state is not None:
            self.state = state
        if self.has_ended:
            self._ended.set()
        self.version += 1
        self._on_change()

    def wait(self, timeout_s: float) -> bool:
        """Waits for the end of the job; False where the time ran out."""
        return self._ended.wait(timeout_s)

    def as_dict(self) -> dict[str, Any]:
        """What a page shows of it, fit for JSON."""
        command = self.order.command
        asked: dict[str, Any] = {name: getattr(command, name) for name in ("method", "content", "style", "style_masks")}
        names = {"id": self.id, "state": self.state, "is_quick": self.order.is_quick, "version": self.version}
        asked["settings"] = self.order.settings
        made = {"command": self.command_line, "file_name": self.file_name}
        return names | asked | made | self._about

    def note(self, message: str) -> None:
        """Adds a line of the library for the user."""
        self.change(messages=[*self._about["messages"], message][-20:])

    def report(self, report: results.Report, *, with_picture: bool) -> None:
        """Takes over the progress of an optimisation."""
        losses = [*self._about["losses"], [report.step, float(f"{report.losses['total']:.5g}")]]
        if len(losses) > _MOST_POINTS:
            losses = losses[::2]
        changes: dict[str, Any] = {
            "step": report.step,
            "steps": report.steps,
            "seconds_left": round(report.seconds_left, 1),
            "losses": losses,
        }
        if with_picture:
            self.preview = _jpeg(report.image(), _PREVIEW_SIDE_PX)
            changes["preview"] = self._about["preview"] + 1
        self.change(**changes)

    def finish(self, result: results.Result) -> None:
        """Writes the picture, its record and what a page shows of it; of a forgotten job nothing stays."""
        if not self.is_forgotten:
            self._write(result)
        if self.is_forgotten:  # perhaps while it was written
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # the folder of a visit that goes on has other files
                self.folder.parent.rmdir()
            self.change(state="cancelled")

    def _write(self, result: results.Result) -> None:
        for note in result.save(self.folder / "result.png"):
            self.note(note)
        record_path = pathlib.Path(results.record_path(self.folder / "result.png"))
        record = {"command": self.command_line} | json.loads(record_path.read_text())
        files.write_atomically(record_path, json.dumps(record, indent=1).encode())
        height_px, width_px = result.image.shape[1:3]
        on_white = result.image if result.alpha is None else result.image * result.alpha + (1 - result.alpha)
        files.write_atomically(self.folder / "result.jpg", images.encode(result.image, ".jpg", alpha=result.alpha))
        files.write_atomically(self.folder / "thumb.jpg", _jpeg(on_white, _THUMB_SIDE_PX))
        self.preview = b""
        self.change(
            state="done",
            width_px=width_px,
            height_px=height_px,
            seconds=round(result.seconds, 2),
            steps_done=getattr(result, "steps", 1),
            stopped_early=getattr(result, "stopped_early", False),
        )


class Queue:
    """Waiting jobs and the thread that does them.

    Args:
        studio: what does the work; only the worker calls it.
        max_job_s: seconds after which an optimisation ends with its picture so far.
    """

    def __init__(self, studio: Studio, *, max_job_s: float) -> None:
        self._studio = studio
        self._max_job_s = max_job_s
        self._waiting: collections.deque[Job] = collections.deque()
        self._running: list[Job] = []  # a long one, and a quick one between its steps
        self._changed = threading.Condition()
        self._closed = False
        self.state = "loading"
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Starts the worker."""
        self._thread.start()

    def add(self, job: Job) -> None:
        """Takes a job in."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
        self._update_places()

    def close(self) -> None:
        """Ends the worker: waiting jobs are cancelled, the running one ends at its next report."""
        with self._changed:
            self._closed = True
            jobs = [*self._waiting, *self._running]
            self._changed.notify()
        for job in jobs:
            job.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout=_LAST_STEP_S)

    def _work(self) -> None:
        """The worker's life."""
        with contextlib.suppress(Exception):  # the first job that needs what is missing says so to whoever asked
            self._studio.warm_up()
        self.state = "ready"
        while not self._closed:
            for quick in self._quick(_QUICK_A_REPORT):
                self._do(quick)
            long = self._next(is_quick=False)
            if long:
                self._do(long)
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)

    def _quick(self, most: int) -> Iterator[Job]:
        """Quick jobs that wait, one by one."""
        for _ in range(most):
            job = self._next(is_quick=True)
            if job is None:
                return
            yield job

    def _next(self, *, is_quick: bool) -> Job | None:
        """Takes the first job of its kind out of the queue; those that were cancelled go."""
        with self._changed:
            self._waiting = collections.deque(job for job in self._waiting if not job.has_ended)
            job = next((job for job in self._waiting if job.order.is_quick == is_quick), None)
            if job:
                self._waiting.remove(job)
                self._running.append(job)
        if job:
            self._update_places()
        return job

    def _do(self, job: Job) -> None:
        """Does a job; whatever goes wrong is that job's own failure."""
        try:
            if job.is_cancelled:
                job.change(state="cancelled")
                return
            job.change(state="running", place=0)
            result = self._studio.make(job.order, job.load, self._on_report(job), job.note)
            job.finish(result)
        except errors.NstError as error:
            job.change(state="failed", error=errors.one_line(error, max_characters=2000))
        except Exception as error:  # a fault of the program's own must not end the worker for everybody
            job.change(state="failed", error=f"{type(error).__name__}: {errors.one_line(error)}")
        finally:
            with self._changed:
                self._running.remove(job)
            self._update_places()

    def _on_report(self, job: Job) -> results.OnReport:
        """What the worker does between two steps of an optimisation."""
        started_s = time.monotonic()
        shown_s = float("-inf")

        def on_report(report: results.Report) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            is_due = now_s - shown_s >= _PREVIEW_INTERVAL_S
            job.report(report, with_picture=is_due)
            shown_s = now_s if is_due else shown_s
            if job.is_cancelled or now_s - started_s > self._max_job_s:
                raise results.StopStylizing
            for quick in self._quick(_QUICK_A_REPORT):
                self._do(quick)

        return on_report

    def _update_places(self) -> None:
        """Tells every waiting job how many of its kind come before it."""
        with self._changed:
            before = collections.Counter(job.order.is_quick for job in self._running)
            places = []
            for job in self._waiting:
                places.append((job, before[job.order.is_quick]))
                before[job.order.is_quick] += 1
        for job, place in places:
            if job.state == "waiting":
                job.change(place=place)


def _jpeg(pixels: np.ndarray, side_px: int) -> bytes:
    """Pixels [1, H, W, 3] in [0, 1] as a JPEG no larger than the side."""
    height_px, width_px = images.fit(pixels.shape[1], pixels.shape[2], side_px)
    return images.encode(images.resize(pixels, height_px, width_px), ".jpg")
