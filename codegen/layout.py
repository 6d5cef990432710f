"""Lays out Python expressions as the formatter would: on one line if it fits, else exploded."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

__all__ = [
    "Labelled",
    "Node",
    "docstring",
    "group",
    "lay_out",
    "list_of",
    "paragraphs",
    "tuple_of",
]

_WIDTH = 100
_STEP = "    "
_QUOTES = '"""'


@dataclass(frozen=True)
class Group:
    """Something in brackets.

    Args:
        head: what stands before the items, with the opening bracket: "Optional[".
        items: what is inside.
        close: the closing bracket.
        comma: True if the last item gets a comma where each has a line of its own.
        flat_close: what ends it on one line.
    """

    head: str
    items: tuple[Node, ...]
    close: str
    comma: bool
    flat_close: str


@dataclass(frozen=True)
class Labelled:
    """A node behind a text, such as an argument's name."""

    label: str
    node: Node


Node = Union[str, Group, Labelled]


def group(head: str, items: Sequence[Node], close: str) -> Group:
    """Return a call, a list or a subscript; the comma would make a lone subscript a tuple."""
    return Group(head, tuple(items), close, close != "]" or len(items) > 1, close)


def tuple_of(items: Sequence[Node]) -> Group:
    """Return a tuple, which needs a comma behind a lone item on one line too."""
    return Group("(", tuple(items), ")", True, ",)" if len(items) == 1 else ")")


def list_of(items: Sequence[Node]) -> Group:
    """Return a list."""
    return Group("[", tuple(items), "]", True, "]")


def lay_out(node: Node, indent: str = "", end: str = "", label: str = "") -> list[str]:
    """Return a node as lines.

    Args:
        node: what to lay out.
        indent: the spaces before its first line.
        end: what follows on its last line, such as " = None,".
        label: what stands before it on its first line.
    """
    if isinstance(node, Labelled):
        return lay_out(node.node, indent, end, label + node.label)
    line = indent + label + _flat(node) + end
    if isinstance(node, str) or not node.items or len(line) <= _WIDTH:
        return [line]
    lines = [indent + label + node.head]
    for i, item in enumerate(node.items):
        comma = "," if node.comma or i < len(node.items) - 1 else ""
        lines += lay_out(item, indent + _STEP, comma)
    return [*lines, indent + node.close + end]


def _flat(node: Node) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Labelled):
        return node.label + _flat(node.node)
    return node.head + ", ".join(_flat(item) for item in node.items) + node.flat_close


def docstring(text: str, indent: str) -> list[str]:
    """Return a docstring as lines; the text is wrapped already, its lines without indent."""
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    first, *rest = safe.splitlines() or [""]
    # Four quotes in a row would begin or end elsewhere.
    first = f" {first}" if first.startswith('"') else first
    if not rest:
        space = " " if first.endswith('"') and not first.endswith('\\"') else ""
        return [f'{indent}"""{first}{space}"""']
    body = [f"{indent}{line}" if line else "" for line in rest]
    return [f'{indent}"""{first}', *body, f'{indent}"""']


def paragraphs(text: str, indent: str, first: str = "", hanging: str = "") -> list[str]:
    """Wrap a comment's paragraphs for a docstring.

    Args:
        text: the comment; empty lines part paragraphs, lines that begin with "-", "*" or a digit
            and a dot are items of a list.
        indent: the docstring's indent, which the lines are made narrower by and do not have.
        first: what stands before the first line.
        hanging: the indent of all further lines.
    """
    lines: list[str] = []
    for i, paragraph in enumerate(_split(text)):
        if i and not paragraph.item:
            lines.append("")
        lines += textwrap.wrap(
            paragraph.text,
            width=_WIDTH - len(indent) - 2 * len(_QUOTES),
            initial_indent=hanging if i else first,
            subsequent_indent=hanging + ("  " if paragraph.item else ""),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


@dataclass(frozen=True)
class _Paragraph:
    text: str
    item: bool


def _split(text: str) -> list[_Paragraph]:
    result: list[_Paragraph] = []
    open_ = False
    for line in text.splitlines():
        words = line.strip()
        item = words[:2] in ("- ", "* ") or (words[:1].isdigit() and words[1:3] in (". ", ") "))
        if not words:
            open_ = False
        elif item or not open_:
            result.append(_Paragraph(words, item))
            open_ = True
        else:
            last = result.pop()
            result.append(_Paragraph(f"{last.text} {words}", last.item))
    return result
