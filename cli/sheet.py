"""`nst-tf sheet`: a labelled contact sheet to choose from. In a checkout also `python -m cli.sheet`."""

import sys

from nst_tf import configs
from nst_tf.figures import sheet_cells
from nst_tf.pictures import images

from . import config_flags, program, streams

config_flags.define(configs.SheetCommand, configs.SheetConfig)

_INTRO = """nst-tf sheet: one picture in several styles, strengths and methods on a labelled page, to choose by looking

  nst-tf sheet --content=photo.jpg --styles=a.jpg,b.jpg --strengths=0.3,0.6,1 --methods=adain,gatys --output=sheet.png
  nst-tf sheet --content=photo.jpg --styles=a.jpg,b.jpg --blends=5 --output=strip.png
  nst-tf sheet --content=photo.jpg --styles=all --output=styles.png

The pictures go to sheet.cells/ beside sheet.png, each with its record. Ctrl-C keeps those that are finished, and the
same command continues."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Draws the sheet that the flags describe."""
    command = config_flags.config_from_flags(configs.SheetCommand)
    config = config_flags.config_from_flags(configs.SheetConfig)
    sheet = sheet_cells.plan(command.content, command.styles, command.output, config)
    if not all(cell.is_finished for cell in sheet.cells):
        program.load_tensorflow(weights=["auto"], threads=command.threads)
    from nst_tf.figures import sheets  # slow imports that --help and usage errors do not need

    try:
        result = sheets.draw_planned(sheet, on_message=program.say)
    except KeyboardInterrupt:
        finished = sum(cell.is_finished for cell in sheet.cells)
        streams.tell(
            f"\ninterrupted: {finished} of {len(sheet.cells)} pictures are finished in {sheet.cells[0].path.parent}; "
            "the same command continues."
        )
        return program.INTERRUPTED
    program.say(f"wrote {result.path}: {result.computed} pictures drawn now, {result.kept} already finished")
    return 0


def help_text() -> str:
    """The text of --help."""
    details = {"output": ", ".join(images.SUFFIXES)}
    return program.render_help(
        _INTRO, config_flags.help_rows(configs.SheetCommand, configs.SheetConfig, details=details)
    )


if __name__ == "__main__":
    sys.exit(run(["nst-tf sheet", *sys.argv[1:]]))
