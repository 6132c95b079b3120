"""Environments: a kernel's packages and runtime, in the two files that repo2docker reads."""

from __future__ import annotations

from jupyter_bridge.models.common import Answer, Body

REQUIREMENTS = "requirements.txt"
RUNTIME = "runtime.txt"


class RequirementsBody(Body):
    """The text and name of both files, to be saved in the notebook's folder."""

    notebook_path: str
    requirements_list: str
    runtime: str
    requirements_filename: str = REQUIREMENTS
    runtime_filename: str = RUNTIME


class EnvironmentBody(Body):
    """`path` is the notebook's contents path; `save` writes the files beside it."""

    path: str | None = None
    save: bool = False


class SavedModel(Answer):
    """The contents paths of the saved files."""

    saved: list[str]
    status: int


class EnvironmentModel(Answer):
    """A kernel's environment, and the contents paths of the saved files."""

    language: str
    requirements_list: str
    runtime: str
    requirements_filename: str
    runtime_filename: str
    saved: list[str]
