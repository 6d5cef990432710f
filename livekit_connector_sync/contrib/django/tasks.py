"""The tasks of contrib.celery, where Celery's autodiscover_tasks() finds them."""

from __future__ import annotations

from ..celery import *  # noqa: F403 - its __all__ lists the tasks
