"""The server of the page: addresses, uploads, events and files. docs/app.md describes what programs can ask for."""

import asyncio
import contextlib
import functools
import importlib.resources
import json
import pathlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
from starlette import applications, requests, responses, routing

from nst_tf import configs, errors
from nst_tf.pictures import images, samples
from nst_tf.serving.page import controls, guard, jobs, orders, visits
from nst_tf.weights import style_files

_ASSETS = {"": "index.html", "page.css": "page.css", "page.js": "page.js", "texts.json": "texts.json"}
_JOB_FILES = ("result.png", "result.jpg", "thumb.jpg", "result.json")
_UPLOAD_FILES = ("view.jpg", "thumb.jpg", "original")
_MAX_ORDER_BYTES = 2**16
_MAX_WAIT_S = 20.0
_HEARTBEAT_S = 15.0  # keeps a proxy from closing a quiet stream
_EVENT_INTERVAL_S = 0.1
_TIDY_INTERVAL_S = 1.0
_DECODERS = 2  # uploads that are decoded at a time; each may take 20 bytes a pixel

Handler = Callable[[requests.Request], Awaitable[responses.Response]]


class Server:
    """The page's application, its queue and its visits.

    Args:
        config: its settings.
        studio: what makes the pictures.
    """

    def __init__(self, config: configs.AppConfig, studio: jobs.Studio) -> None:
        self._config = config
        self._visits = visits.Visits(config)
        self._queue = jobs.Queue(studio, max_job_s=config.max_job_s)
        self._decoders: anyio.CapacityLimiter | None = None  # belongs to an event loop
        in_visit = "/api/visits/{visit}"
        self.app = guard.Guard(
            applications.Starlette(
                lifespan=self._lifespan,
                routes=[
                    *(routing.Route(f"/{path}", _asset(name)) for path, name in _ASSETS.items()),
                    _route("GET", "/health", self._health),
                    _route("GET", "/api/settings", self._settings),
                    _route("GET", "/api/samples", self._samples),
                    _route("GET", "/api/samples/{name}/{file}", self._sample_file),
                    _route("POST", "/api/visits", self._new_visit),
                    _route("GET", in_visit, self._in_visit(self._state)),
                    _route("DELETE", in_visit, self._in_visit(self._leave)),
                    _route("GET", f"{in_visit}/events", self._in_visit(self._events)),
                    _route("POST", f"{in_visit}/pictures", self._in_visit(self._upload)),
                    _route("DELETE", f"{in_visit}/pictures/{{id}}", self._in_visit(self._remove_picture)),
                    _route("GET", f"{in_visit}/pictures/{{id}}/{{file}}", self._in_visit(self._picture_file)),
                    _route("POST", f"{in_visit}/jobs", self._in_visit(self._order)),
                    _route("GET", f"{in_visit}/jobs/{{id}}", self._in_visit(self._job)),
                    _route("DELETE", f"{in_visit}/jobs/{{id}}", self._in_visit(self._remove_job)),
                    _route("POST", f"{in_visit}/jobs/{{id}}/cancel", self._in_visit(self._cancel)),
                    _route("GET", f"{in_visit}/jobs/{{id}}/{{file}}", self._in_visit(self._job_file)),
                ],
            ),
            config,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        """Starts the worker and tidies up now and then; at the end everything of every visit goes."""
        self._queue.start()
        self._decoders = anyio.CapacityLimiter(_DECODERS)
        tidying = asyncio.create_task(self._tidy())
        try:
            yield
        finally:
            tidying.cancel()
            await anyio.to_thread.run_sync(self._queue.close)
            self._visits.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_INTERVAL_S)
            await anyio.to_thread.run_sync(self._visits.tidy)

    def _in_visit(self, handler: Callable[[requests.Request, visits.Visit], Awaitable[responses.Response]]) -> Handler:
        """A handler that gets the visit of its address, which is not idle meanwhile."""

        @functools.wraps(handler)
        async def handle(request: requests.Request) -> responses.Response:
            visit = self._visits.get(request.path_params["visit"])
            with visit.seen():
                return await handler(request, visit)

        return handle

    async def _health(self, request: requests.Request) -> responses.Response:
        return responses.JSONResponse({"status": "ok", "worker": self._queue.state})

    async def _settings(self, request: requests.Request) -> responses.Response:
        return responses.JSONResponse(controls.described(self._config))

    async def _samples(self, request: requests.Request) -> responses.Response:
        names = ("name", "title", "author", "year", "kind", "credit")
        pictures = [
            {name: getattr(sample, name) for name in names} | {"reference": f"{samples.PREFIX}{sample.name}"}
            for sample in samples.list_samples()
        ]
        return responses.JSONResponse({"samples": pictures, "styles": list(style_files.shipped_names())})

    async def _sample_file(self, request: requests.Request) -> responses.Response:
        name, file = request.path_params["name"], request.path_params["file"]
        if name not in samples.NAMES or file not in ("view.jpg", "thumb.jpg"):
            raise visits.NotFoundError("there is no such sample. See api/samples.")
        folder = await anyio.to_thread.run_sync(self._sample_views, name, limiter=self._decoders)
        return responses.FileResponse(folder / file, headers={"cache-control": "private, max-age=3600"})

    def _sample_views(self, name: str) -> pathlib.Path:
        """The folder with a sample's views, made when it is first asked for."""
        folder = self._visits.folder / f"sample-{name}"
        if not folder.exists():
            made = pathlib.Path(tempfile.mkdtemp(dir=self._visits.folder))
            visits.write_views(made, images.load(f"{samples.PREFIX}{name}"))
            with contextlib.suppress(OSError):  # another request was faster
                made.rename(folder)
        return folder

    async def _new_visit(self, request: requests.Request) -> responses.Response:
        return responses.JSONResponse({"visit": self._visits.new().token}, status_code=201)

    async def _state(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        pictures = [upload.as_dict() for upload in visit.uploads.values()]
        return responses.JSONResponse({"pictures": pictures, "jobs": [job.as_dict() for job in visit.jobs.values()]})

    async def _leave(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        self._visits.remove(visit)
        return responses.Response(status_code=204)

    async def _upload(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        limit = f"{self._config.max_upload_mb} MB"
        data = await _body(request, self._config.max_upload_bytes, f"an uploaded file may have {limit}")
        name = request.query_params.get("name", "picture")
        upload = await anyio.to_thread.run_sync(visit.add, data, name, limiter=self._decoders)
        return responses.JSONResponse(upload.as_dict(), status_code=201)

    async def _remove_picture(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        visit.remove_upload(request.path_params["id"])
        return responses.Response(status_code=204)

    async def _picture_file(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        upload, file = visit.upload(request.path_params["id"]), request.path_params["file"]
        if file not in _UPLOAD_FILES:
            raise visits.NotFoundError(f"a picture has {', '.join(_UPLOAD_FILES)}. Received: another file.")
        if file == "original":  # as it came, so no browser may take it for something else
            return responses.FileResponse(
                upload.folder / file, media_type="application/octet-stream", filename=upload.name
            )
        return responses.FileResponse(upload.folder / file)

    async def _order(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        body = await _body(request, _MAX_ORDER_BYTES, "an order may have 64 kB")
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise errors.ConfigError(f"an order must be JSON. Received: {errors.one_line(error)}.") from error
        order = orders.read(asked, self._config)
        names = visit.check_references(order.references)
        waiting = sum(not job.has_ended for job in visit.jobs.values())
        if waiting >= self._config.max_waiting:
            raise visits.ServerBusyError(
                f"a visit may have {self._config.max_waiting} pictures on their way. Received: one more. Wait or "
                "cancel some."
            )
        await anyio.to_thread.run_sync(visit.check_room)
        file_name = _file_name(order, names)
        job = jobs.Job(
            order,
            folder=visit.new_folder(),
            load=visit.load,
            command_line=orders.command_line(order, names, file_name),
            file_name=file_name,
            on_change=visit.changed,
        )
        visit.jobs[job.id] = job
        self._queue.add(job)
        return responses.JSONResponse(job.as_dict(), status_code=201)

    async def _job(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        job = visit.job(request.path_params["id"])
        wait_s = min(_number(request.query_params.get("wait", "0")), _MAX_WAIT_S)
        with _woken(visit) as woken, contextlib.suppress(TimeoutError), anyio.fail_after(wait_s):
            while not job.has_ended:
                woken.clear()
                await woken.wait()
        return responses.JSONResponse(job.as_dict())

    async def _cancel(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        job = visit.job(request.path_params["id"])
        job.cancel()
        return responses.JSONResponse(job.as_dict())

    async def _remove_job(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        visit.remove_job(request.path_params["id"])
        return responses.Response(status_code=204)

    async def _job_file(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        job, file = visit.job(request.path_params["id"]), request.path_params["file"]
        if file == "preview.jpg" and job.preview:
            return responses.Response(job.preview, media_type="image/jpeg")
        if file not in _JOB_FILES or job.state != "done":
            raise visits.NotFoundError(f"a finished job has {', '.join(_JOB_FILES)}. Received: {job.state}.")
        return responses.FileResponse(job.folder / ("result.png.json" if file == "result.json" else file))

    async def _events(self, request: requests.Request, visit: visits.Visit) -> responses.Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}  # the latter: nginx passes events on at once
        return responses.StreamingResponse(_changes(visit), media_type="text/event-stream", headers=headers)


async def _changes(visit: visits.Visit) -> AsyncIterator[str]:
    """Server-sent events with the jobs that changed, as long as the page is open. The first one has all of them."""
    shown: dict[str, int] | None = None
    with visit.seen(), _woken(visit) as woken:
        while True:
            woken.clear()
            versions = {job.id: job.version for job in visit.jobs.values()}
            known = shown or {}
            changed = [job.as_dict() for job in tuple(visit.jobs.values()) if job.version != known.get(job.id)]
            removed = [job_id for job_id in known if job_id not in versions]
            if shown is None or changed or removed:
                yield f"data: {json.dumps({'jobs': changed, 'removed': removed})}\n\n"
            shown = versions
            await asyncio.sleep(_EVENT_INTERVAL_S)
            try:
                with anyio.fail_after(_HEARTBEAT_S):
                    await woken.wait()
            except TimeoutError:
                yield ": still here\n\n"


@contextlib.contextmanager
def _woken(visit: visits.Visit) -> Iterator[asyncio.Event]:
    """An event that every change of the visit sets, whichever thread it happens in."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(woken.set)

    with visit.watched(wake):
        yield woken


async def _body(request: requests.Request, max_bytes: int, rule: str) -> bytes:
    """A request's body, no more of it than may be.

    Raises:
        errors.ImageError: it is larger, as its header says or as it turns out.
    """
    received = _number(request.headers.get("content-length", "0"))
    pieces: list[bytes] = []
    if received <= max_bytes:
        received = 0
        async for piece in request.stream():
            received += len(piece)
            if received > max_bytes:
                break
            pieces.append(piece)
    if received > max_bytes:
        raise TooLargeError(f"{rule}. Received: {received / 2**20:.1f} MB or more. Make it smaller first.")
    return b"".join(pieces)


class TooLargeError(errors.ServingError):
    """A request with more bytes than the server takes."""


_STATUS = ((visits.NotFoundError, 404), (visits.ServerBusyError, 429), (TooLargeError, 413), (errors.NstError, 422))


def _route(method: str, path: str, handler: Handler) -> routing.Route:
    """A route whose errors of ours are answers: their message as it is."""

    async def answer(request: requests.Request) -> responses.Response:
        try:
            return await handler(request)
        except errors.NstError as error:
            status = next(code for kind, code in _STATUS if isinstance(error, kind))
            return responses.JSONResponse({"error": str(error)}, status_code=status)

    return routing.Route(path, answer, methods=[method], name=f"{method} {path}")


def _asset(name: str) -> Handler:
    """A file of the page."""

    async def answer(request: requests.Request) -> responses.Response:
        path = importlib.resources.files(__package__).joinpath(f"assets/{name}")
        return responses.FileResponse(str(path), headers={"cache-control": "no-cache"})

    return answer


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _file_name(order: orders.Order, names: dict[str, str]) -> str:
    """What a downloaded picture is called, such as temple-great-wave.png."""
    named = (order.command.content, order.command.style[0])
    stems = [pathlib.PurePath(names.get(one, one.partition(":")[2])).stem for one in named]
    return f"{visits.safe_name('-'.join(stems))[:48].strip(' .') or 'picture'}.png"
