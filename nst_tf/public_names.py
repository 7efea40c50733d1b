"""The public face of a package: names that are typed once, in its `__init__.pyi`, and imported on first use.

A package's `__init__.py` calls `attach`; type checkers and editors read the same stub. So `import nst_tf` loads no
TensorFlow, and no list of names is kept twice.
"""

import ast
import importlib
import pathlib
from collections.abc import Callable
from typing import Any


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__getattr__`, `__dir__` and `__all__` are to be.

    Args:
        package: its `__name__`.
        file: its `__file__`; the stub is the `__init__.pyi` next to it, and holds nothing but a docstring and
            `from module import name as name`.
    """
    stub = ast.parse(pathlib.Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    homes = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    def load(name: str) -> Any:
        module = homes.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module), name)

    names = sorted(homes)
    return load, lambda: names, names
