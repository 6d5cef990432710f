"""Where Celery's autodiscover_tasks() looks: the tasks of contrib.celery, for Django projects."""

from __future__ import annotations

from ..celery import *  # noqa: F403 - its __all__ is the tasks and what they raise
