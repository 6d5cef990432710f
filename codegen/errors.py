"""The error of the code generator."""

from __future__ import annotations


class CodegenError(Exception):
    """The protos, the overlay, or the arguments need a change.

    The text is one line that names the file and the RPC, field, or argument.
    """
