"""What the ways to a model server share: the protocol, its values, and its errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nst_tf import configs, errors

SIGNATURE = "serving_default"  # unless another one is asked for
MAX_MESSAGE_BYTES = 2**31 - 1  # gRPC's own limit for answers is 4 MiB, less than a large PNG
DTYPES = {"steps": np.int32, "seed": np.int32, "max_side_px": np.int32}  # float32 otherwise

TEXTS = ("style",)  # inputs that are text; the names of encoded pictures end in _bytes
Values = Mapping[str, Sequence[Any]]  # name -> one value for each element of the batch; encoded pictures are bytes


class Unavailable(Exception):
    """The server is not there now and may be soon."""


class Transport(Protocol):
    """One way to a server. Each call is made once; it raises `Unavailable` or `ServingError`."""

    def inputs(self, signature: str, timeout_s: float) -> set[str]:
        """The names of a signature's inputs; none where the model has no such signature."""

    def predict(self, signature: str, values: Values, timeout_s: float) -> dict[str, list[Any]]:
        """Runs a signature once: the outputs, each a list with one item for each element."""


def late(config: configs.ClientConfig) -> errors.ServingError:
    """The error of a server that did not answer in time."""
    return errors.ServingError(
        f"{config.server}: no answer within {config.timeout_s:g} s. Raise --timeout_s, or ask for fewer steps or a "
        "smaller size."
    )


def refused(config: configs.ClientConfig, status: object, message: object) -> errors.ServingError:
    """The error of a server that answered with one, in its own words."""
    text = errors.one_line(str(message).partition("[[{{")[0], max_characters=1000)  # the rest names graph nodes
    return errors.ServingError(f"{config.server} refused the request ({status}): {text}")
