"""Turns the protos into the package's generated code; used at build time only.

Data flows one way: compile -> rewrite -> (overlay, names) -> model -> render -> write. The steps
between compile and write are pure. `python -m codegen --help` lists the options.
"""
