"""Two rules: a module imports only modules below it, and only some modules import a library.

The imports are read from the source, including imports inside functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "livekit_connector_sync"

# The modules and folders of each folder, from the lowest to the highest. "" is its __init__.py.
LAYERS = {
    "": """
        _version errors _runtime access_token service _gen api whatsapp server webhooks emulator
        testing ""
        cli __main__ pytest_plugin contrib
    """,
    "_runtime": """
        "" method deadline forking threads lazy_import fields framing proxies redaction validation
        proto_enum messages jws credentials regions retry call twirp transport execution channel
    """,
    "_runtime.transport": """
        exchange failures reader pool tls adapter sending client ""
    """,
    "whatsapp": 'meta_errors permission graph client ""',
    "webhooks": """
        arguments errors fields urls twiml livekit meta_events meta_people meta twilio ""
    """,
    "emulator": """
        arguments hub lifecycle refusals calls journal http_client outbox meta livekit twilio
        webhooks http_server mock_header regions permissions twilio_api rpcs connector media_stream
        page emulator "" __main__
    """,
    "contrib": """
        "" caches settings clients django_settings celery django
    """,
    "contrib.celery": """
        errors claims stores worker arguments task tasks ""
    """,
    "contrib.django": """
        signals delivery bodies "" views decorators urls checks apps tasks calllog management
    """,
    "contrib.django.views": """
        base meta twilio livekit ""
    """,
}
# The modules that may import a library other than the standard library and google.protobuf.
LIBRARIES = {
    "requests": ["_runtime.transport"],
    "urllib3": ["_runtime.transport"],
    "jwt": ["_runtime.jws", "access_token", "server", "webhooks"],
    "websockets": ["emulator"],
    "pytest": ["pytest_plugin"],
    "django": ["contrib.django_settings", "contrib.django", "contrib.celery"],
    "celery": ["contrib.celery"],
    "redis": ["contrib.celery"],
    "codegen": [],
}
GENERATED_MAY_IMPORT = (
    *("__future__", "builtins", "collections", "sys", "typing", "google.protobuf"),
    *(f"{PACKAGE}.service", f"{PACKAGE}._gen"),
)


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


def is_within(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")


def place(module: str, folder: str) -> str:
    """Return the entry of LAYERS[folder] that a module below the folder belongs to."""
    if module.endswith(".__main__"):
        return "__main__"
    inside = f"{PACKAGE}.{folder}" if folder else PACKAGE
    return module[len(inside) + 1 :].partition(".")[0]


def misplaced(module: str, imported: str) -> Iterator[str]:
    """Yield the violations of an import within the package, folder by folder."""
    for folder, layers in LAYERS.items():
        inside = f"{PACKAGE}.{folder}" if folder else PACKAGE
        if is_within(module, inside) and is_within(imported, inside):
            order = layers.replace('""', ".").split()
            upper, lower = (order.index(place(name, folder) or ".") for name in (module, imported))
            if place(module, folder) != place(imported, folder) and upper < lower:
                yield f"{module} imports {imported}, which LAYERS[{folder!r}] has above it"


def test_a_module_imports_only_what_is_below_it() -> None:
    for path in sources(ROOT / PACKAGE):
        for module in imports(path):
            if is_within(module, PACKAGE):
                assert not list(misplaced(dotted(path), module))


def test_a_library_is_imported_only_where_it_belongs() -> None:
    # A signature may name the class of a library (requests.Session) without importing it to run.
    for path in sources(ROOT / PACKAGE):
        own = dotted(path)
        for module in imports(path, types=False):
            places = LIBRARIES.get(module.partition(".")[0])
            allowed = places is None or any(is_within(own, f"{PACKAGE}.{each}") for each in places)
            assert allowed, f"{own} imports {module}: only {places} may"
            if is_within(own, f"{PACKAGE}._gen") and path.suffix == ".py":
                assert module.startswith(GENERATED_MAY_IMPORT), f"{own} imports {module}"
    for path in sources(ROOT / "codegen"):
        assert not [module for module in imports(path) if is_within(module, PACKAGE)]


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
