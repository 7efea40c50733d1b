"""The pictures that come with the package: public domain, two photographs to restyle and four paintings."""

import dataclasses
import importlib.resources
import os
import pathlib
from typing import Literal

from nst_tf import errors

PREFIX = "sample:"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture and where it is from; the README of this folder says what was changed."""

    name: str
    title: str
    author: str
    year: str
    collection: str
    number: str
    kind: Literal["photograph", "painting"]
    status: str

    @property
    def file_name(self) -> str:
        """The JPEG's name in this folder."""
        return f"{self.name}.jpg"


_NASA = {"author": "NASA", "collection": "NASA", "status": "public domain (NASA)"}
_MET = {"collection": "The Metropolitan Museum of Art", "status": "public domain (Met Open Access, CC0)"}

_SAMPLES = {
    sample.name: sample
    for sample in (
        Sample(
            name="launch-pad",
            title="Two space shuttles on adjacent pads at Launch Complex 39",
            year="1990",
            number="S90-48650",
            kind="photograph",
            **_NASA,
        ),
        Sample(
            name="shuttle-landing",
            title="Columbia touching down at Edwards Air Force Base",
            year="1981",
            number="S81-30746",
            kind="photograph",
            **_NASA,
        ),
        Sample(
            name="hiroshige",
            title="Six Jewel Rivers from Various Provinces",
            author="Utagawa Hiroshige",
            year="1857",
            number="53449",
            kind="painting",
            **_MET,
        ),
        Sample(
            name="van-gogh",
            title="Bouquet of Flowers in a Vase",
            author="Vincent van Gogh",
            year="1890",
            number="436525",
            kind="painting",
            **_MET,
        ),
        Sample(
            name="cezanne",
            title="Mont Sainte-Victoire and the Viaduct of the Arc River Valley",
            author="Paul Cezanne",
            year="1882-85",
            number="435877",
            kind="painting",
            **_MET,
        ),
        Sample(
            name="turner",
            title="Venice, from the Porch of Madonna della Salute",
            author="J. M. W. Turner",
            year="ca. 1835",
            number="437853",
            kind="painting",
            **_MET,
        ),
    )
}
NAMES = tuple(_SAMPLES)


def list_samples() -> tuple[Sample, ...]:
    """Every sample, in the order of `NAMES`.

    Example:
        >>> from nst_tf import pictures
        >>> [sample.name for sample in pictures.list_samples() if sample.kind == "painting"]
        ['hiroshige', 'van-gogh', 'cezanne', 'turner']
    """
    return tuple(_SAMPLES.values())


def path(name: str) -> pathlib.Path:
    """Where a sample's file is.

    Raises:
        errors.ImageError: no sample has that name.
    """
    if name not in _SAMPLES:
        raise errors.ImageError(
            f"{PREFIX}{name}: a sample's name must be one of {', '.join(NAMES)}. Received: {name!r}. Choose one."
        )
    return pathlib.Path(str(importlib.resources.files(__name__).joinpath(_SAMPLES[name].file_name)))


def path_of(source: str | os.PathLike[str]) -> pathlib.Path:
    """The path of `sample:NAME`; any other path as it is.

    Raises:
        errors.ImageError: no sample has that name.
    """
    if isinstance(source, str) and source.startswith(PREFIX):
        return path(source.removeprefix(PREFIX))
    return pathlib.Path(source)
