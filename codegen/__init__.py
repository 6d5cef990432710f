"""Generates the package's code from the protos, at build time.

Data flows one way: compile -> rewrite -> model (with overlay, facts, names) -> render -> finish ->
write. The steps from rewrite to render are pure. `python -m codegen --help` lists the options.
"""
