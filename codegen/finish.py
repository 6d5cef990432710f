"""Finishes generated files.

ruff sorts and formats what we render. What depends on the version of protoc is removed.
"""

from __future__ import annotations

import re
from pathlib import Path

from .tools import run_tool

_VERSION = re.compile(
    r"^# NO CHECKED-IN PROTOBUF GENCODE\n"
    r"|^# Protobuf Python Version: .*\n"
    r"|^from google\.protobuf import runtime_version as _runtime_version\n"
    r"|^_runtime_version\.ValidateProtobufRuntimeVersion\(\n(?: .*\n)*\)\n",
    re.MULTILINE,
)
_CONSTANT = re.compile(r": [\w.]+\.ValueType  # (-?\d+)$", re.MULTILINE)


def format_folder(folder: Path, import_path: str) -> None:
    """Remove unused imports, sort the rest and `__all__`, and format a folder of Python files.

    `import_path` is how the package will be imported; it decides which imports are its own.

    Raises:
        CodegenError: ruff is missing, or a file is not valid Python.
    """
    own = import_path.partition(".")[0]
    libraries = [name for name in ("google", "livekit_connector_sync") if name != own]
    settings = {
        "exclude": [],
        "respect-gitignore": "false",
        "line-length": 100,
        "target-version": '"py39"',
        "lint.select": ["F401", "I", "RUF022"],
        "lint.isort.split-on-trailing-comma": "false",
        "lint.isort.known-first-party": [own],
        "lint.isort.known-third-party": libraries,
    }
    options = ["--isolated", "--no-cache", "--quiet"]
    for name, value in settings.items():
        options += ["--config", f"{name} = {value}"]
    # With the folder as cwd, ruff takes no package around it for first-party.
    run_tool("ruff", "check", *options, "--fix", "--output-format", "concise", cwd=folder)
    run_tool("ruff", "format", *options, cwd=folder)


def finish_message(text: str) -> str:
    """Return a `_pb2.py` without the version of protoc and the check of the protobuf runtime.

    The rest is the same for every protoc from 26.1 on, and works on every protobuf that the package
    supports. The check would reject runtimes that are older than protoc.
    """
    return _VERSION.sub("", text)


def finish_stub(text: str) -> str:
    """Return a `.pyi` of mypy-protobuf as it goes into the package.

    The types of its DESCRIPTORs are narrower than those in protobuf's own stubs, which pyright
    reports. Its enum values have a type of their own, but messages accept any int, such as the
    constants of `enums.py`. Its constants have no values, which the methods of clients check.
    """
    text = _CONSTANT.sub(r": typing.Literal[\1]", text)
    text = text.replace(
        'ValueType = typing.NewType("ValueType", builtins.int)',
        "ValueType: typing_extensions.TypeAlias = builtins.int",
    )
    return f"# pyright: reportIncompatibleVariableOverride=false\n{text}"
