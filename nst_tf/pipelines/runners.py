"""Beam's own options and runners, checked before any work: Beam itself passes over what it does not know."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners import runner as beam_runner
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.portability.fn_api_runner import fn_runner

from nst_tf import errors

IN_PROCESS = "FnApiRunner"
_BY_SHORT_NAME = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}  # which Beam knows by this one only


class _Parser(argparse.ArgumentParser):
    """Beam's options, with an error where the parser would end the program."""

    def error(self, message: str) -> NoReturn:
        raise errors.ConfigError(
            f"Beam's options must be ones that it has. Received: {errors.one_line(message)}. "
            "See https://beam.apache.org/documentation/runners/capability-matrix/ for the runners and their options."
        )


def options(arguments: Sequence[str]) -> pipeline_options.PipelineOptions:
    """Beam's options from what follows `--` on the command line.

    Raises:
        ConfigError: an option or a runner that Beam does not have here, or a value that an option does not take.
    """
    parsed = pipeline_options.PipelineOptions(list(arguments))
    standard = parsed.view_as(pipeline_options.StandardOptions)
    standard.runner = _BY_SHORT_NAME.get(_named(arguments) or "", _named(arguments))
    _check_runner(standard.runner)  # the import of a runner may bring options of its own
    parser = _Parser(prog="beam", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for kind in {str(kind): kind for kind in pipeline_options.PipelineOptions.__subclasses__()}.values():
        kind._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings]
        close = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
        remedy = f"Did you mean {close[0]}?" if close else "Leave it out."
        raise errors.ConfigError(f"Beam's options must be ones that it has. Received: {unknown[0]}. {remedy}")
    workers = parsed.view_as(pipeline_options.WorkerOptions)
    workers.default_sdk_harness_log_level = workers.default_sdk_harness_log_level or "WARNING"
    return parsed


def in_process(parsed: pipeline_options.PipelineOptions) -> Any:
    """Beam's in-process runner, where the options name none or DirectRunner; else None.

    Beam's DirectRunner may first download another one.
    """
    if parsed.view_as(pipeline_options.StandardOptions).runner not in (None, "DirectRunner"):
        return None
    encoded = portable_runner.JobServiceHandle.encode_pipeline_options(parsed.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


def name(parsed: pipeline_options.PipelineOptions) -> str:
    """The runner of a job, for its record."""
    named = parsed.view_as(pipeline_options.StandardOptions).runner
    return IN_PROCESS if named in (None, "DirectRunner") else str(named)


def _named(arguments: Sequence[str]) -> str | None:
    parser = _Parser(prog="beam", add_help=False, allow_abbrev=False)
    parser.add_argument("--runner")
    named: str | None = parser.parse_known_args(list(arguments))[0].runner
    return named


def _check_runner(named: str | None) -> None:
    if named is None:
        return
    try:
        beam_runner.create_runner(named)
    except (ValueError, ImportError, AttributeError) as error:
        raise errors.ConfigError(
            f"--runner must be one that Beam has here. Received: {named} ({errors.one_line(error)})."
        ) from error
