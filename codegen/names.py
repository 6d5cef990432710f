"""How things are called in the generated code, and which names it cannot have."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable

__all__ = [
    "CALL_OPTIONS",
    "client_method",
    "default_json_name",
    "export_names",
    "file_name",
    "is_import_path",
    "unusable_class",
    "unusable_constant",
    "unusable_field",
    "unusable_method",
    "unusable_module",
    "unusable_rpc",
    "unusable_service_class",
]

# Words that the official SDK writes as one, where the rule for capitals would make two.
_BRANDS = {"WhatsApp": "Whatsapp"}

CALL_OPTIONS = ("request", "timeout", "retry", "extra_headers")
"""The parameters that every client method has beside the request's fields."""
_CLIENT_ATTRIBUTES = ("close", "channel", "from_channel")
_TYPES = ("bool", "bytes", "float", "int", "str")  # which the methods behind it are typed with
_BASES = ("ServiceClient",)
_SERVICER_ATTRIBUTES = ("METHODS", "unimplemented")
_ENUM_ATTRIBUTES = ("mro", "name", "value", "Name", "Value", "keys", "values", "items", *dir(int))


def client_method(rpc: str) -> str:
    """Return the client's method of an RPC: DialWhatsAppCall is dial_whatsapp_call."""
    for brand, word in _BRANDS.items():
        rpc = rpc.replace(brand, word)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", rpc)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def default_json_name(field: str) -> str:
    """Return the JSON name that protoc gives a field unless the proto says another."""
    head, *rest = field.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def file_name(proto: str) -> str:
    """Return the name, without suffix, of a .proto file in the one folder of a package.

    Args:
        proto: the file's path, such as "agent/livekit_agent_session.proto".
    """
    return re.sub(r"[/.-]", "_", proto[: -len(".proto")])


def is_import_path(text: str) -> bool:
    """Say whether a text can stand in an import statement: "livekit_connector_sync._gen"."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def export_names(
    paths: Iterable[tuple[str, ...]], taken: Iterable[str]
) -> dict[tuple[str, ...], str]:
    """Give messages and enums names in a package's flat namespace.

    Each goes by its simple name. Where that is another's too, the names of what it is in stand
    before it, as many as it takes: Request in message Dial is DialRequest.

    Args:
        paths: the names of what each is in, from the outside in, and its own.
        taken: names that others have already.

    Returns:
        The names by path. Those that no prefix can tell apart stay equal.
    """
    paths = sorted(paths)
    others = Counter(list(taken))
    depth = dict.fromkeys(paths, 1)
    while True:
        names = {path: "".join(path[-depth[path] :]) for path in paths}
        uses = Counter(names.values()) + others
        shared = [p for p in paths if uses[names[p]] > 1 and depth[p] < len(p)]
        if not shared:
            return names
        for path in shared:
            depth[path] += 1


def unusable_module(module: str) -> str:
    """Say why no module can have a name; empty if one can."""
    return "" if module.isidentifier() else "no Python identifier"


def unusable_class(path: str) -> str:
    """Say why there can be no class of a dotted name; empty if there can."""
    return "a Python keyword" if any(map(keyword.iskeyword, path.split("."))) else ""


def unusable_service_class(name: str) -> str:
    """Say why no stub, servicer or client can have a name; empty if one can."""
    return "that of its base" if name in _BASES else ""


def unusable_rpc(rpc: str) -> str:
    """Say why no stub or servicer can have an RPC's name; empty if they can."""
    return _unusable(rpc, _SERVICER_ATTRIBUTES, "a name of the servicer's own") or _hidden(rpc)


def unusable_method(method: str) -> str:
    """Say why no client can have a method of this name; empty if it can."""
    reason = _unusable(method, _CLIENT_ATTRIBUTES, "a name of the client's own")
    return reason or _unusable(method, _TYPES, "a Python type")


def unusable_field(field: str) -> str:
    """Say why no client method can have a parameter of this name; empty if it can."""
    return _unusable(field, ("self", "_fields", *CALL_OPTIONS), "a name of the method's own")


def unusable_constant(constant: str) -> str:
    """Say why no Python enum can have a member of this name; empty if it can."""
    reason = _unusable(constant, _ENUM_ATTRIBUTES, "a name of the enum's own")
    return reason or _hidden(constant)


def _unusable(name: str, taken: Iterable[str], reason: str) -> str:
    if keyword.iskeyword(name):
        return "a Python keyword"
    return reason if name in taken else ""


def _hidden(name: str) -> str:
    return "hidden by its underscore" if name.startswith("_") else ""
