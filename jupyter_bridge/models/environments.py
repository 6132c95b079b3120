"""Environments: what a kernel runs on, as the two texts that Binder's repo2docker reads."""

from __future__ import annotations

from jupyter_bridge.models.common import Answer, Body

REQUIREMENTS = "requirements.txt"
RUNTIME = "runtime.txt"


class RequirementsBody(Body):
    """Two texts and their names; they are saved in the notebook's folder."""

    notebook_path: str
    requirements_list: str
    runtime: str
    requirements_filename: str = REQUIREMENTS
    runtime_filename: str = RUNTIME


class EnvironmentBody(Body):
    """`path` is the notebook's, as the contents API names it; `save` writes beside it."""

    path: str | None = None
    save: bool = False


class SavedModel(Answer):
    """The contents paths that were written."""

    saved: list[str]
    status: int


class EnvironmentModel(Answer):
    """A kernel's environment, and the contents paths that were written of it."""

    language: str
    requirements_list: str
    runtime: str
    requirements_filename: str
    runtime_filename: str
    saved: list[str]
