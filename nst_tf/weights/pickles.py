"""Pickles walked as data: a short list of opcodes moves plain values on a stack, and nothing is ever called.

A dialect lists the global names that a format needs. They lie on the stack as records, never as objects that could be
called; the dialect also defines what a call or a state means. Everything else is refused.
"""

import dataclasses
import pickletools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

_MAX_OPCODES = 50_000  # one pickle; VGG-19 takes about 1000
_UNREAD_LINES = ("STRING", "PERSID", "INST")
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


class Refused(Exception):
    """Raised for a file that can be parsed but asks for something that is not allowed."""


@dataclasses.dataclass(frozen=True)
class Global:
    """A global name that a dialect knows, as data."""

    name: str  # "module attribute"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """What a format puts into its pickles.

    Attributes:
        names: the global names, "module attribute".
        persistent: turns a persistent id into a record, or refuses.
        call: what a global or another value gives when called with arguments, or refuses.
        build: what a value becomes when it is given a state, or refuses.
        max_bytes: the largest size of one pickle.
    """

    names: frozenset[str]
    persistent: Callable[[Any], Any]
    call: Callable[[Any, Any], Any]
    build: Callable[[Any, Any], Any]
    max_bytes: int


def walk(stream: BinaryIO, dialect: Dialect) -> Any:
    """Walks one pickle and leaves the stream after its end. Nothing is imported, looked up or called by name.

    Raises:
        Refused: the pickle asks for anything that the dialect does not allow.
        ValueError, LookupError, TypeError, ArithmeticError, EOFError or RuntimeError: it is damaged.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    start = stream.tell()
    for count, (name, argument) in enumerate(_operations(stream)):
        if count > _MAX_OPCODES or stream.tell() - start > dialect.max_bytes:
            raise Refused("a pickle larger than any of this kind")
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(name[-1])
                if len(stack) < size:
                    raise Refused("a pickle that takes more than it holds")
                stack[-size:] = [tuple(stack[-size:])]
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "LIST":
                stack.append(pop_to_mark())
            case "DICT":
                stack.append(_set_items({}, pop_to_mark()))
            case "APPEND":
                item = stack.pop()
                _list(stack[-1]).append(item)
            case "APPENDS":
                items = pop_to_mark()
                _list(stack[-1]).extend(items)
            case "SETITEM":
                value = stack.pop()
                key = stack.pop()
                _set_items(stack[-1], [key, value])
            case "SETITEMS":
                items = pop_to_mark()
                _set_items(stack[-1], items)
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_global(argument, dialect))
            case "STACK_GLOBAL":
                attribute = stack.pop()
                stack.append(_global(f"{stack.pop()} {attribute}", dialect))
            case "BINPERSID":
                stack.append(dialect.persistent(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(dialect.call(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                stack.append(dialect.build(stack.pop(), state))
            case "STOP":
                return stack.pop()
            case refused:
                raise Refused(f"the pickle operation {refused}, which plain arrays do not need")
    raise Refused("a pickle without an end")


def _operations(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Each operation's name and argument, as pickletools.genops gives them but for its text lines.

    There genops resolves escapes, and Python warns of those it does not know. So GLOBAL's two lines are read here.
    STRING, PERSID and INST are refused anyway: their lines stay unread, and their argument is None.
    """
    while code := stream.read(1):
        if code not in _OPCODES:
            raise ValueError(f"the byte {code!r} is no pickle operation")
        opcode = _OPCODES[code]
        if opcode.name == "GLOBAL":
            yield opcode.name, f"{_line(stream)} {_line(stream)}"
        elif opcode.arg is None or opcode.name in _UNREAD_LINES:
            yield opcode.name, None
        else:
            yield opcode.name, opcode.arg.reader(stream)


def _line(stream: BinaryIO) -> str:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("a name without an end")
    return line[:-1].decode("ascii")


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Refused("a pickle that appends to no list")
    return value


def _set_items(target: object, items: Sequence[Any]) -> dict[Any, Any]:
    if not isinstance(target, dict) or len(items) % 2:
        raise Refused("a pickle that sets items of no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int):  # hashing a deeply nested tuple would overflow the C stack
            raise Refused(f"a dict key of type {type(key).__name__}")
        target[key] = value
    return target


def _global(name: str, dialect: Dialect) -> Global:
    if name in dialect.names:
        return Global(name)
    module, _, attribute = name.partition(" ")
    raise Refused(f"a pickle that asks for {module[:80]}.{attribute[:80]}")
