"""Draws a figure: cells in rows and columns with a title, axis labels, captions and the source pictures.

The caller saves what it draws.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nst_tf import errors

INK = (24, 24, 28)
GREY = (96, 96, 104)
PAPER = (255, 255, 255)
_MIN_CELL_SIDE_PX = 200  # smaller cells are shown enlarged, so that their labels fit
_MIN_TEXT_WIDTH_PX = 560


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GridCell:
    """One picture of a grid.

    Attributes:
        row: from 1.
        column: from 1.
        pixels: float32 [1, H, W, 3] in [0, 1].
        caption: drawn below.
        note: drawn below the caption, in grey.
    """

    row: int
    column: int
    pixels: np.ndarray
    caption: str = ""
    note: str = ""


def draw(
    cells: Sequence[GridCell],
    *,
    title: str,
    caption: str = "",
    sources: Sequence[tuple[str, np.ndarray]] = (),
    row_title: str = "",
    column_title: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> np.ndarray:
    """Draws the grid on white.

    Args:
        cells: at least one; empty places stay white.
        title: drawn above everything.
        caption: drawn below everything, wrapped.
        sources: (label, pixels) of the pictures that the cells were made from, drawn small below the title.
        row_title: what the row labels mean, in the corner between both axes.
        column_title: what the column labels mean, above them.
        row_labels: one for each row, on its left; or empty.
        column_labels: one for each column, above it; or empty.

    Returns:
        float32 [1, H, W, 3] in [0, 1].
    """
    pictures = [_picture(cell.pixels) for cell in cells]
    zoom = math.ceil(_MIN_CELL_SIDE_PX / max(max(picture.size) for picture in pictures))
    pictures = [picture.resize((picture.width * zoom, picture.height * zoom), 0) for picture in pictures]
    box_width, box_height = max(p.width for p in pictures), max(p.height for p in pictures)
    text_px = min(40, max(14, max(box_width, box_height) // 14))
    fonts = {
        "title": _font(size=round(1.5 * text_px)),
        "label": _font(size=text_px),
        "small": _font(size=max(12, round(0.75 * text_px))),
    }
    gap = text_px // 2
    margin = 2 * gap

    rows, columns = max(cell.row for cell in cells), max(cell.column for cell in cells)
    gutter_width = round(0.6 * box_width)
    row_texts = [_wrapped(label, fonts["label"], gutter_width) for label in row_labels]
    corner = _wrapped(row_title, fonts["small"], gutter_width)
    gutter = max([_width(text, fonts["label"]) for text in row_texts] + [_width(corner, fonts["small"]), 0])
    left = margin + (gutter + 2 * gap if gutter else 0)
    grid_width = columns * box_width + (columns - 1) * gap
    page_width = max(left + grid_width, margin + _MIN_TEXT_WIDTH_PX) + margin
    text_width = page_width - 2 * margin

    page = _Page(page_width)
    page.text(_wrapped(title, fonts["title"], text_width), margin, margin, fonts["title"], INK)
    if sources:
        _draw_sources(page, sources, box_height // 2, margin, page.bottom + 2 * gap, gap, fonts["small"])
    top = page.bottom + 2 * gap
    if column_title:
        shift = (grid_width - _width(column_title, fonts["small"])) / 2
        page.text(column_title, left + max(0, shift), top, fonts["small"], GREY)
        top = page.bottom + gap // 2
    for column, label in enumerate(column_labels):
        text = _wrapped(label, fonts["label"], box_width)
        shift = (box_width - _width(text, fonts["label"])) / 2
        page.text(text, left + column * (box_width + gap) + shift, top, fonts["label"], INK)
    page.text(corner, margin, top, fonts["small"], GREY)
    top = max(page.bottom, top) + gap
    for row in range(1, rows + 1):
        if row <= len(row_texts):
            height = _height(row_texts[row - 1], fonts["label"])
            page.text(row_texts[row - 1], margin, top + (box_height - height) / 2, fonts["label"], INK)
        for cell, picture in zip(cells, pictures, strict=True):
            if cell.row == row:
                x = left + (cell.column - 1) * (box_width + gap)
                page.paste(picture, x + (box_width - picture.width) // 2, top + (box_height - picture.height) // 2)
                below = top + box_height + gap // 2
                for text, font, colour in ((cell.caption, fonts["label"], INK), (cell.note, fonts["small"], GREY)):
                    wrapped = _wrapped(text, font, box_width)
                    page.text(wrapped, x, below, font, colour)
                    below += _height(wrapped, font) + gap // 3
        top = page.bottom + 2 * gap
    page.text(_wrapped(caption, fonts["small"], text_width), margin, top, fonts["small"], GREY)
    return page.pixels(margin)


def _font(*, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise errors.NstError(
            "drawing a grid needs Pillow with FreeType. Received: Pillow without it. Install Pillow from its wheel."
        )
    return font


class _Page:
    """A white page of fixed width that grows downwards as it is drawn on."""

    def __init__(self, width: int) -> None:
        self.bottom = 0
        self._image = Image.new("RGB", (width, 1), PAPER)

    def text(self, text: str, x: float, y: float, font: ImageFont.FreeTypeFont, colour: tuple[int, int, int]) -> None:
        """Draws lines of text with their upper left corner at (x, y)."""
        if text:
            self._grow(y + _height(text, font))
            draw = ImageDraw.Draw(self._image)
            for number, line in enumerate(text.split("\n")):
                draw.text((round(x), round(y) + number * _line_height(font)), line, colour, font)

    def paste(self, picture: Image.Image, x: int, y: int) -> None:
        """Puts a picture with its upper left corner at (x, y)."""
        self._grow(y + picture.height)
        self._image.paste(picture, (x, y))

    def pixels(self, margin: int) -> np.ndarray:
        """The page with a margin at the bottom, float32 [1, H, W, 3]."""
        self._grow(self.bottom + margin)
        return np.asarray(self._image.crop((0, 0, self._image.width, self.bottom)), np.float32)[np.newaxis] / 255

    def _grow(self, bottom: float) -> None:
        self.bottom = max(self.bottom, math.ceil(bottom))
        if self.bottom > self._image.height:
            taller = Image.new("RGB", (self._image.width, 2 * self.bottom), PAPER)
            taller.paste(self._image)
            self._image = taller


def _draw_sources(
    page: _Page,
    sources: Sequence[tuple[str, np.ndarray]],
    height: int,
    x: int,
    y: int,
    gap: int,
    font: ImageFont.FreeTypeFont,
) -> None:
    """Draws thumbnails of equal height in a row, each with its label below."""
    for label, pixels in sources:
        picture = _picture(pixels)
        width = max(1, round(picture.width * height / picture.height))
        page.paste(picture.resize((width, height), Image.Resampling.LANCZOS), x, y)
        column_width = max(width, min(_width(_drawable(label, font), font), 9 * _line_height(font)))
        page.text(_wrapped(label, font, column_width), x, y + height + gap // 2, font, GREY)
        x += column_width + 2 * gap


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(pixels[0] * 255).astype(np.uint8))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text in lines no wider than `width` pixels; longer words stay whole. Characters without a glyph become ?."""
    lines: list[str] = []
    for word in _drawable(text, font).split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    missing = bytes(font.getmask("\ufffe"))  # not a character, so never a glyph
    return "".join(c if c.isspace() or bytes(font.getmask(c)) != missing else "?" for c in text)


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    return round(1.3 * font.size)


def _height(text: str, font: ImageFont.FreeTypeFont) -> int:
    return len(text.split("\n")) * _line_height(font) if text else 0


def _width(text: str, font: ImageFont.FreeTypeFont) -> int:
    return math.ceil(max((font.getlength(line) for line in text.split("\n")), default=0))
