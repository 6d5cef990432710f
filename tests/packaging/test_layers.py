"""The layering of the code: a module imports only from layers below it.

The imports are read from the source, those inside functions included.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "livekit_connector_sync"

# From the lowest to the highest. A folder counts as one module, except those listed with a dot.
LAYERS = [
    "_version",
    "errors",
    "method",
    "deadline",
    "forking",
    "redaction",
    "validation",
    "proto_enum",
    "messages",
    "access_token",
    "credentials",
    "regions",
    "retry",
    "call",
    "twirp",
    "transport",
    "execution",
    "channel",
    "service",
    "_gen",
    "api",
    "server",
    "webhooks",
    "emulator",
    "testing",
    "",  # livekit_connector_sync/__init__.py, which gathers the public names
    "cli",
    "__main__",  # of any folder
    "pytest_plugin",
    "contrib",
]
# Who may import what is not the standard library, google.protobuf or the package itself.
EXTERNAL = {
    "requests": {"transport"},
    "urllib3": {"transport"},
    "certifi": {"transport"},
    "jwt": {"access_token", "server", "webhooks"},
    "django": {"contrib"},
    "celery": {"contrib"},
    "websockets": {"emulator"},
    "redis": {"contrib"},
    "pytest": {"pytest_plugin"},
    "codegen": set(),
}
GENERATED_MAY_IMPORT = ("google.protobuf", f"{PACKAGE}.service", f"{PACKAGE}._gen")
STANDARD_LIBRARY_OF_GENERATED = {"__future__", "builtins", "collections", "sys", "typing"}


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py*") if path.suffix in (".py", ".pyi"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def nodes(tree: ast.AST, types: bool) -> Iterator[ast.AST]:
    """Yield the nodes of a tree; without `types`, not those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if types or not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            yield node
            yield from nodes(node, types)


def imports(path: Path, types: bool = True) -> Iterator[str]:
    """Yield the full name of every module that a file imports."""
    package = dotted(path) if path.stem == "__init__" else dotted(path).rpartition(".")[0]
    for node in nodes(ast.parse(path.read_text("utf-8")), types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(parts + ([base] if base else []))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if is_module(full) else base


def layer(module: str) -> str:
    """Return the entry of LAYERS that a module of the package belongs to."""
    if module.endswith(".__main__"):
        return "__main__"
    return module[len(PACKAGE) + 1 :].partition(".")[0]


def in_package(module: str) -> bool:
    return module == PACKAGE or module.startswith(PACKAGE + ".")


PACKAGE_FILES = sources(ROOT / PACKAGE)


def test_every_module_has_a_layer() -> None:
    unknown = {layer(dotted(path)) for path in PACKAGE_FILES} - set(LAYERS)
    assert not unknown, f"put {sorted(unknown)} where they belong in LAYERS"


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_layers_below(path: Path) -> None:
    own = layer(dotted(path))
    for module in filter(in_package, imports(path)):
        other = layer(module)
        assert other == own or LAYERS.index(other) < LAYERS.index(own), (
            f"{dotted(path)} imports {module}, which is not below it"
        )


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_other_libraries_are_imported_where_they_belong(path: Path) -> None:
    # A signature may name the class of a library (requests.Session) without importing it to run.
    for module in imports(path, types=False):
        allowed = EXTERNAL.get(module.partition(".")[0])
        assert allowed is None or layer(dotted(path)) in allowed, (
            f"{dotted(path)} imports {module}: only {sorted(allowed)} may"
        )


def test_generated_code_imports_protobuf_and_the_contract_only() -> None:
    files = sources(ROOT / PACKAGE / "_gen")
    assert files
    for path in files:
        for module in imports(path):
            if module.partition(".")[0] in STANDARD_LIBRARY_OF_GENERATED:
                continue
            # mypy-protobuf names google.protobuf's own stubs, and typing_extensions, in .pyi only.
            if path.suffix == ".pyi" and module in ("typing_extensions", "google", "datetime"):
                continue
            assert module.startswith(GENERATED_MAY_IMPORT), f"{dotted(path)} imports {module}"


def test_codegen_does_not_import_the_package() -> None:
    files = sources(ROOT / "codegen")
    assert files
    for path in files:
        assert not any(map(in_package, imports(path))), f"{path} imports {PACKAGE}"


def test_the_walk_sees_every_form_of_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    package = tmp_path / PACKAGE / "sub"
    package.mkdir(parents=True)
    (tmp_path / PACKAGE / "api.py").touch()
    path = package / "module.py"
    path.write_text(
        "import requests.adapters\n"
        "from .. import api, __version__\n"
        "from ..api import LiveKitAPI\n"
        "def f():\n    from . import other\n"
    )
    assert list(imports(path)) == [
        "requests.adapters",
        f"{PACKAGE}.api",
        PACKAGE,
        f"{PACKAGE}.api",
        f"{PACKAGE}.sub",
    ]
