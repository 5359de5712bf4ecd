"""Source files of a dataset class: a graph is converted again when one of them changes."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import redditgnn

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr")


@cache
def _installed_folders() -> tuple[str, ...]:
    """List the folders of Python, of installed packages, of this package and of the system."""
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages(), *_SYSTEM]
    folders.append(str(Path(redditgnn.__file__).parent))
    both = {path for folder in folders for path in (folder, os.path.realpath(folder))}
    return tuple(f"{path}{os.sep}" for path in both)


def is_installed(path: str) -> bool:
    """Whether a file is part of Python, of an installed package, of this one or of the system."""
    return path.startswith(_installed_folders()) or path.endswith(".pyc")


def source_files(source: Any) -> list[Path]:
    """Return the file that defines a class or function, and the own modules that it imports."""
    bases = getattr(source, "__mro__", (source,))
    todo, files = [_module_of(base) for base in bases], dict[str, Path]()
    while todo:
        module = todo.pop()
        path = getattr(module, "__file__", None)
        if path is None or path in files or is_installed(os.path.abspath(path)):
            continue
        files[path] = Path(path).absolute()
        todo += [_module_of(value) for value in vars(module).values()]
    return list(files.values())


def _module_of(value: Any) -> ModuleType | None:
    if isinstance(value, ModuleType):
        return value
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None
