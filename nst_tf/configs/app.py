"""The settings of the page in a browser. Imports no TensorFlow."""

import dataclasses
import re

from nst_tf import errors
from nst_tf.configs import commands, fields

_ORIGIN = re.compile(r"https?://[^/\s,]+")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppConfig:
    """A server of the page. Every field is also a flag of `nst-tf app`."""

    host: str = fields.setting(
        "127.0.0.1",
        group="Server",
        example="0.0.0.0",
        help="The address that the server listens on. 127.0.0.1 is this machine alone; 0.0.0.0 is every network of "
        "it, without a password.",
    )
    port: int = fields.setting(
        7860, group="Server", low=0, high=65535, example="8080", help="The server's port; 0 takes any free one."
    )
    open: bool = fields.setting(
        True, group="Server", example="true", help="Open the page in the browser; --no-open does not."
    )
    allowed_origins: tuple[str, ...] = fields.setting(
        (),
        group="Server",
        example="https://art.example.org",
        help="The addresses under which a proxy publishes the page. Requests that name another host, or that pages of "
        "another origin send, are refused.",
    )
    root_path: str = fields.setting(
        "", group="Server", example="/art", help="The path under which a proxy publishes the page. Default: none."
    )
    threads: int = fields.like(commands.StylizeCommand, "threads")
    max_side_px: int = fields.setting(
        2048, flag="max_size", group="Limits", low=64, example="1024", help="The largest --size that one may ask for."
    )
    max_job_s: float = fields.setting(
        3600.0,
        group="Limits",
        above=0,
        example="600",
        help="Seconds after which a picture is finished with what it is by then.",
    )
    max_upload_mb: int = fields.setting(
        32, group="Limits", low=1, high=2048, example="10", help="Size of an uploaded file, in MB of 2**20 bytes."
    )
    max_upload_megapixels: float = fields.setting(
        40.0,
        group="Limits",
        above=0,
        example="24",
        help="Millions of pixels of an uploaded picture, read from its header before anything is decoded.",
    )
    max_visit_mb: int = fields.setting(
        512, group="Limits", low=1, example="100", help="What the pictures of one visit may take on the disk, in MB."
    )
    max_waiting: int = fields.setting(
        16, group="Limits", low=1, example="4", help="Pictures of one visit that may wait for their turn."
    )
    max_visits: int = fields.setting(
        100, group="Limits", low=1, example="20", help="Visits at a time; a page in a browser's tab is one."
    )
    cancel_after_s: float = fields.setting(
        5.0,
        group="Limits",
        low=0,
        example="30",
        help="Seconds after which the jobs of a visit end whose page was closed, or whose program no longer asks.",
    )
    keep_s: float = fields.setting(
        600.0,
        group="Limits",
        low=0,
        example="60",
        help="Seconds after which the pictures of such a visit are removed. They also go when the server ends.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise errors.ConfigError(
                    f"allowed_origins must be addresses without a path. Received: {origin!r}. "
                    "Example: https://art.example.org"
                )
        object.__setattr__(self, "root_path", self.root_path.rstrip("/"))
        if not _ROOT_PATH.fullmatch(self.root_path):
            raise errors.ConfigError(
                f"root_path must start with / and hold letters, digits and . _ ~ - only. Received: {self.root_path!r}. "
                "Example: /art"
            )

    @property
    def max_upload_bytes(self) -> int:
        """The same in bytes."""
        return self.max_upload_mb * 2**20

    @property
    def max_upload_pixels(self) -> int:
        """The same in pixels."""
        return int(self.max_upload_megapixels * 1e6)
