"""The names in the generated code, and the names that it cannot have."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from .errors import CodegenError

# Words that the official SDK writes as one; the rule for capitals would make two.
_BRANDS = {"WhatsApp": "Whatsapp"}

_ENUM_ATTRIBUTES = ("mro", "name", "value", "Name", "Value", "keys", "values", "items", *dir(int))
_TYPES = ("bool", "bytes", "float", "int", "str")  # annotations of the methods that follow
_METHOD_ARGUMENTS = ("self", "request", "timeout", "retry", "extra_headers")
# Names that a kind of thing cannot have, and why.
_TAKEN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "class": {},
    "service class": {"that of its base class": ("ServiceClient",)},
    "RPC": {"an attribute of the servicer": ("METHODS", "unimplemented")},
    "method": {
        "an attribute of the client": (
            *("channel", "close", "from_channel", "with_call", "with_options"),
        ),
        "a Python type": _TYPES,
    },
    "field": {"an argument of the method": _METHOD_ARGUMENTS},
    "constant": {"an attribute of the enum": _ENUM_ATTRIBUTES},
}


def client_method(rpc: str) -> str:
    """Return the client's method of an RPC: DialWhatsAppCall is dial_whatsapp_call."""
    for brand, word in _BRANDS.items():
        rpc = rpc.replace(brand, word)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", rpc)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def file_name(proto: str) -> str:
    """Return the flat name of a .proto file: agent/session.proto is agent_session."""
    return re.sub(r"[/.-]", "_", proto[: -len(".proto")])


def is_import_path(text: str) -> bool:
    """Say whether a text can stand in an import statement: "livekit_connector_sync._gen"."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def is_dict_key(field: str) -> bool:
    """Say whether a field can be declared in a class of dicts.py, next to the types it uses."""
    return not keyword.iskeyword(field) and field not in (*_TYPES, "datetime", "enums")


def export_names(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return names in a package's flat namespace, by path.

    Each has its simple name. If another has the same, the names of what it is nested in come
    before it, as many as needed: Request in message Dial is DialRequest. Names that no prefix can
    distinguish stay equal.

    Args:
        paths: the names of what each is nested in, from the outside in, and its own.
    """
    depth = dict.fromkeys(sorted(paths), 1)
    while True:
        names = {path: "".join(path[-depth[path] :]) for path in depth}
        uses = Counter(names.values())
        shared = [p for p in depth if uses[names[p]] > 1 and depth[p] < len(p)]
        if not shared:
            return names
        for path in shared:
            depth[path] += 1


def check_name(kind: str, name: str, what: str, subject: str = "its name") -> None:
    """Reject a name that the generated code cannot have.

    Args:
        kind: a key of _TAKEN.
        name: the name; dotted for a nested class.
        what: what cannot be generated, for the error.
        subject: what the error calls the name.

    Raises:
        CodegenError: the name is taken, starts with an underscore, or is a keyword.
    """
    reasons = [reason for reason, taken in _TAKEN[kind].items() if name in taken]
    if any(map(keyword.iskeyword, name.split("."))):
        reasons = ["a Python keyword"]
    elif kind in ("RPC", "constant") and name.startswith("_"):
        reasons = ["private, because it starts with an underscore"]
    if reasons:
        raise CodegenError(f"{what} cannot be generated: {subject} is {reasons[0]}")
