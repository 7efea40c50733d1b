"""The server of the page as a process: its address, its start and its end."""

import functools
import socket
from collections.abc import Callable

import uvicorn

from nst_tf import configs, errors
from nst_tf.serving.page import jobs, server


def serve(
    config: configs.AppConfig,
    studio: jobs.Studio,
    *,
    on_start: Callable[[str], None] = lambda address: None,
) -> None:
    """Runs the server until it is interrupted.

    Args:
        config: its settings.
        studio: what makes the pictures.
        on_start: called with the page's address once it is there.

    Raises:
        ServingError: the address cannot be listened on.
    """
    with listen(config) as listening:
        running = Running(config, studio)
        running.on_start = functools.partial(on_start, address(config, listening))
        running.run(sockets=[listening])


class Running(uvicorn.Server):
    """The server as it runs; `on_start` is called once it answers."""

    on_start: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, config: configs.AppConfig, studio: jobs.Studio) -> None:
        super().__init__(
            uvicorn.Config(
                server.Server(config, studio).app,
                http="h11",
                ws="none",
                access_log=False,
                log_level="critical",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,  # a page's stream of events never ends by itself
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer."""
        await super().startup(sockets)
        self.on_start()


def address(config: configs.AppConfig, listening: socket.socket) -> str:
    """The address under which this machine's browser finds the page."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.host, config.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{listening.getsockname()[1]}{config.root_path}/"


def listen(config: configs.AppConfig) -> socket.socket:
    """A socket at the configuration's address.

    Raises:
        ServingError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
    except OSError as error:
        listening.close()
        raise errors.ServingError(
            f"the server must be able to listen on {config.host}, port {config.port}. "
            f"Received: {error.strerror or error}. Choose another --port, or --port=0 for any free one."
        ) from error
    return listening
