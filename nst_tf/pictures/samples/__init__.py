"""The pictures that come with the package: photographs to restyle and paintings to take the style of."""

import dataclasses
import importlib.resources
import os
import pathlib
from typing import Literal

from nst_tf import errors

PREFIX = "sample:"
REPRODUCTION_NOTE = (
    "[1] A faithful reproduction of a painting whose author died before 1955; such a reproduction has no copyright of "
    "its own (Directive (EU) 2019/790, article 14; Bridgeman v. Corel, 1999). Debian's copyright file of "
    "gcompris-qt-data lists the image files under GPL-3+, with WebMuseum as their source."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture and where it is from; the README of this folder says what was changed.

    Attributes:
        name: what follows `sample:`.
        title: of the work.
        author: who painted or photographed it.
        year: as far as known, such as `ca. 1831`, or "".
        kind: photograph or painting.
        status: its licence, or why it needs none; `[1]` refers to `REPRODUCTION_NOTE`.
        source: the collection and its number, or the package that the file was taken from.
        must_be_credited: whether the author must be named wherever the picture, or a result made from it, is shown.
    """

    name: str
    title: str
    author: str
    year: str
    kind: Literal["photograph", "painting"]
    status: str
    source: str
    must_be_credited: bool = False

    @property
    def file_name(self) -> str:
        """The JPEG's name in this folder."""
        return f"{self.name}.jpg"

    @property
    def credit(self) -> str:
        """Title, author and year in one line, and the licence where it asks to be named."""
        parts = (self.title, self.author, self.year, self.status if self.must_be_credited else "")
        return ", ".join(part for part in parts if part)


def _photograph(name: str, title: str, author: str, year: str, *, status: str, source: str) -> Sample:
    return Sample(
        name=name,
        title=title,
        author=author,
        year=year,
        kind="photograph",
        status=status,
        source=source,
        must_be_credited=status.startswith("CC BY"),
    )


def _painting(name: str, title: str, author: str, year: str, *, status: str, source: str) -> Sample:
    return Sample(name=name, title=title, author=author, year=year, kind="painting", status=status, source=source)


def _nasa(number: str) -> dict[str, str]:
    return {"status": "public domain (NASA)", "source": f"NASA, {number}"}


def _met(number: str) -> dict[str, str]:
    status = "public domain (Met Open Access, CC0)"
    return {"status": status, "source": f"The Metropolitan Museum of Art, {number}"}


_CC_BY = {"status": "CC BY 2.0", "source": "PyPI scikit-learn 1.9.1"}
_CC0 = {"status": "CC0", "source": "PyPI scikit-image 0.26.0"}
_REPRODUCTION = {"status": "copyright expired [1]", "source": "Debian gcompris-qt-data 3.1"}

_SAMPLES = {
    sample.name: sample
    for sample in (
        _photograph("temple", "Pagoda above the lake, Summer Palace, Beijing", "danielbuechele", "", **_CC_BY),
        _photograph("cat", "Chelsea the cat", "Stefan van der Walt", "", **_CC0),
        _photograph(
            "astronaut",
            "Eileen Collins",
            "NASA",
            "1999",
            status="public domain (NASA)",
            source="PyPI scikit-image 0.26.0",
        ),
        _photograph("coffee", "Coffee cup", "Rachel Michetti", "", **_CC0),
        _photograph(
            "raccoon", "Raccoon", "Judy Weggelaar", "", status="public domain (scipy)", source="PyPI scipy 1.9.3"
        ),
        _photograph("flower", "Dahlia", "vultilion", "", **_CC_BY),
        _photograph("skylab", "Skylab in orbit", "NASA", "1974", **_nasa("SL4-143-4706")),
        _photograph(
            "launch-pad",
            "Two space shuttles on adjacent pads at Launch Complex 39",
            "NASA",
            "1990",
            **_nasa("S90-48650"),
        ),
        _photograph(
            "shuttle-landing",
            "Columbia touching down at Edwards Air Force Base",
            "NASA",
            "1981",
            **_nasa("S81-30746"),
        ),
        _painting(
            "starry-night",
            "The Starry Night",
            "Vincent van Gogh",
            "1889",
            status="copyright expired",
            source="Debian opencv-doc 4.6.0",
        ),
        _painting("great-wave", "The Great Wave off Kanagawa", "Katsushika Hokusai", "ca. 1831", **_REPRODUCTION),
        _painting("auvers", "Village Street in Auvers", "Vincent van Gogh", "1890", **_REPRODUCTION),
        _painting("composition-viii", "Composition VIII", "Wassily Kandinsky", "1923", **_REPRODUCTION),
        _painting("summertime", "Summertime", "Mary Cassatt", "1894", **_REPRODUCTION),
        _painting("ejiri", "Ejiri in Suruga Province", "Katsushika Hokusai", "ca. 1832", **_REPRODUCTION),
        _painting("bouquet", "Bouquet of Flowers in a Vase", "Vincent van Gogh", "1890", **_met("436525")),
        _painting("redon", "Vase of Flowers (Pink Background)", "Odilon Redon", "ca. 1906", **_met("437382")),
        _painting(
            "hiroshige",
            "Six Jewel Rivers from Various Provinces",
            "Utagawa Hiroshige",
            "1857",
            **_met("53449"),
        ),
        _painting(
            "cezanne",
            "Mont Sainte-Victoire and the Viaduct of the Arc River Valley",
            "Paul Cezanne",
            "1882-85",
            **_met("435877"),
        ),
        _painting(
            "turner", "Venice, from the Porch of Madonna della Salute", "J. M. W. Turner", "ca. 1835", **_met("437853")
        ),
    )
}
NAMES = tuple(_SAMPLES)
ALIASES = {"van-gogh": "bouquet"}  # names of earlier versions


def list_samples() -> tuple[Sample, ...]:
    """Every sample, in the order of `NAMES`.

    Example:
        >>> from nst_tf import pictures
        >>> sorted({sample.kind for sample in pictures.list_samples()})
        ['painting', 'photograph']
    """
    return tuple(_SAMPLES.values())


def get(name: str) -> Sample:
    """The sample of a name or an alias.

    Raises:
        errors.ImageError: no sample has that name.
    """
    sample = _SAMPLES.get(ALIASES.get(name, name))
    if sample is None:
        raise errors.ImageError(
            f"{PREFIX}{name}: a sample's name must be one of {', '.join(NAMES)}. Received: {name!r}."
            f"{errors.did_you_mean(name, NAMES) or ' Choose one.'}"
        )
    return sample


def path(name: str) -> pathlib.Path:
    """Where a sample's file is.

    Raises:
        errors.ImageError: no sample has that name.
    """
    return pathlib.Path(str(importlib.resources.files(__name__).joinpath(get(name).file_name)))


def path_of(source: str | os.PathLike[str]) -> pathlib.Path:
    """The path of `sample:NAME`; any other path as it is.

    Raises:
        errors.ImageError: no sample has that name.
    """
    name = _name_in(source)
    return pathlib.Path(source) if name is None else path(name)


def notes(source: object) -> tuple[str, ...]:
    """What must be said of `sample:NAME`: whom to credit, where its licence asks for it. Nothing of any other source.

    Raises:
        errors.ImageError: no sample has that name.
    """
    name = _name_in(source)
    if name is None or not get(name).must_be_credited:
        return ()
    return (f"credit it wherever you show it or a result made from it: {get(name).credit}",)


def _name_in(source: object) -> str | None:
    """NAME of `sample:NAME`; None for any other source."""
    if isinstance(source, str) and source.startswith(PREFIX):
        return source.removeprefix(PREFIX)
    return None
