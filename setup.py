"""Let tools that still look for a setup.py find one; deleting this file changes nothing.

The package is declared in pyproject.toml.
"""

from setuptools import setup

setup()
