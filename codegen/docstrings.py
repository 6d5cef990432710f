"""Turns the comments of the protos into docstrings."""

from __future__ import annotations

import re
import textwrap

_WIDTH = 100
_QUOTES = '"""'
_ITEM = re.compile(r"[-*] |\d[.)] ")
_BREAK = re.compile(rf"\n\s*\n|\n(?=\s*(?:{_ITEM.pattern}))")


def docstring(text: str, indent: str) -> str:
    """Return a docstring of a text whose lines are wrapped and not yet indented."""
    safe = text.replace("\\", "\\\\").replace(_QUOTES, '\\"\\"\\"')
    end = "\n" if "\n" in safe else " " if safe.endswith('"') else ""
    return textwrap.indent(f"{_QUOTES}{safe}{end}{_QUOTES}", indent)


def wrap(text: str, indent: str, first: str = "", hanging: str = "") -> str:
    """Wrap a comment for a docstring.

    Args:
        text: the comment. Empty lines separate paragraphs; lines that begin with "-", "*", or a
            digit and a dot are list items.
        indent: the docstring's indent. It makes the lines shorter but is not added to them.
        first: the beginning of the first line.
        hanging: the indent of all other lines.
    """
    result = ""
    for i, block in enumerate(_BREAK.split(text.strip())):
        words = " ".join(block.split())
        item = _ITEM.match(words)
        lines = textwrap.wrap(
            words,
            width=_WIDTH - len(indent) - 2 * len(_QUOTES),
            initial_indent=hanging if i else first,
            subsequent_indent=hanging + ("  " if item else ""),
            break_long_words=False,
            break_on_hyphens=False,
        )
        separator = "" if not i else "\n" if item else "\n\n"
        result += separator + "\n".join(lines)
    return result
