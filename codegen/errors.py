"""The one error of the code generator."""

from __future__ import annotations


class CodegenError(Exception):
    """Something in the protos, the overlay or the arguments that a person has to change.

    Its text is one line that names the file and the RPC, field or argument.
    """
