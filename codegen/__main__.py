"""Generate typed, blocking clients from .proto files."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, Optional

from . import overlay
from .compile import compile_protos, files_of_services, generate_messages
from .errors import CodegenError
from .finish import finish_message, finish_stub, format_folder
from .model import Package, build
from .names import is_import_path
from .render import GENERATED, render
from .rewrite import prune, relocate
from .write import differences, read_tree, replace

_OUT = Path("livekit_connector_sync", "_gen")


def import_path_of(folder: Path) -> str:
    """Return the import path of a folder; its parents that have an `__init__.py` are packages."""
    parts = [folder.name]
    parent = folder.parent
    while (parent / "__init__.py").exists():
        parts.insert(0, parent.name)
        parent = parent.parent
    return ".".join(parts)


def generate(
    proto_dir: Path, services: Sequence[str], overlay_dir: Path, import_path: str, out: Path
) -> Package:
    """Write the generated package into an empty folder.

    Raises:
        CodegenError: the protos, the overlay, or a name cannot be used.
    """
    files = files_of_services(proto_dir, services)
    pruned = prune(compile_protos(proto_dir, files.values()), files)
    package = build(pruned, import_path, overlay.load(overlay_dir))
    for name, text in render(package).items():
        (out / name).write_bytes(text.encode())
    format_folder(out, import_path)
    relocated, to_generate = relocate(pruned, import_path)
    with tempfile.TemporaryDirectory() as scratch:
        generate_messages(relocated, to_generate, Path(scratch))
        for name, content in read_tree(Path(scratch, *import_path.split("."))).items():
            finish = finish_stub if name.endswith(".pyi") else finish_message
            (out / name).write_bytes(finish(content.decode()).encode())
    return package


def run(args: argparse.Namespace) -> int:
    """Generate or check as the arguments say; return the exit code."""
    out = args.out.resolve()
    if not args.proto_dir.is_dir():
        raise CodegenError(f"--proto-dir {args.proto_dir} is not a folder")
    if out == _OUT.resolve() and "Connector" not in [s.rpartition(".")[2] for s in args.service]:
        raise CodegenError(f"{_OUT} is for the Connector: name another folder with --out")
    import_path = args.package or import_path_of(out)
    if not is_import_path(import_path):
        raise CodegenError(f"{import_path} cannot be imported: name the package with --package")
    generate_into = functools.partial(
        generate, args.proto_dir, args.service, args.overlay_dir, import_path
    )
    if args.check:
        return check(out, str(args.out), generate_into)
    packages: list[Package] = []
    replace(out, GENERATED, lambda folder: packages.append(generate_into(folder)))
    clients = [f"{s.name}Client" for file in packages[0].files for s in file.services]
    print(f"wrote {len(list(out.iterdir()))} files to {args.out}")
    print(f"from {import_path} import {', '.join(clients)}")
    return 0


def check(out: Path, name: str, generate_into: Callable[[Path], Package]) -> int:
    """Print how a folder differs from newly generated code; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        generate_into(Path(scratch))
        diff = differences(read_tree(out), read_tree(Path(scratch)), name)
    if diff:
        print(diff)
        print(f"codegen: {name} is not up to date: run `make codegen`", file=sys.stderr)
        return 1
    print(f"{name} is up to date")
    return 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run codegen; return the exit code: 0, 1 if --check finds differences, 2 for an error."""
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    option = functools.partial(parser.add_argument, metavar="NAME")
    folder = functools.partial(parser.add_argument, metavar="FOLDER", type=Path)
    folder("--proto-dir", default=Path("proto"), help="the protos; default: %(default)s")
    option("--service", action="append", help="a service, repeatable; default: Connector")
    folder("--out", default=_OUT, help="the folder to replace; default: %(default)s")
    tables = "the folder of overlay.toml and grants.toml; default: %(default)s"
    folder("--overlay-dir", default=Path(__file__).parent, help=tables)
    option("--package", help="how the folder is imported; default: from its place on disk")
    check = "write nothing; print a diff and exit with 1 if --out is not up to date"
    parser.add_argument("--check", action="store_true", help=check)
    args = parser.parse_args(argv)
    args.service = args.service or ["Connector"]
    try:
        return run(args)
    except (CodegenError, OSError) as error:
        print(f"codegen: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
