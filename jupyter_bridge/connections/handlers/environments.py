"""What a kernel runs on, as two texts, saved beside the notebook by the contents manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from jupyter_bridge.connections.environment import REQUIREMENTS, RUNTIME, KernelEnvironment, save
from jupyter_bridge.problems import BadRequest, Denied
from jupyter_bridge.web import BridgeHandler, is_allowed, verb
from jupyter_bridge.wire.names import KernelName

AskKernel = Callable[[str, str], Awaitable[KernelEnvironment]]
"""`ask(user, kernel_id)`: the environment of a kernel, asked in the name of the user."""


class RequirementsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Two texts and their names; they are saved in the notebook's folder."""

    notebook_path: str
    requirements_list: str
    runtime: str
    requirements_filename: str = REQUIREMENTS
    runtime_filename: str = RUNTIME


class EnvironmentBody(msgspec.Struct, forbid_unknown_fields=True):
    """`path` is the notebook's, as the contents API names it; `save` writes beside it."""

    path: str | None = None
    save: bool = False


class SavedModel(msgspec.Struct):
    """The contents paths that were written."""

    saved: list[str]
    status: int = 200


class EnvironmentModel(msgspec.Struct):
    """A kernel's environment, and what of it was saved where."""

    language: str
    requirements_list: str
    requirements_filename: str
    runtime: str
    runtime_filename: str
    saved: list[str]


class RequirementsHandler(BridgeHandler):
    resources = ("bridge:connections", "contents")

    @verb("write", "Save requirements beside a notebook", body=RequirementsBody, reply=SavedModel)
    async def post(self, body: RequirementsBody) -> SavedModel:
        if body.requirements_filename == body.runtime_filename:
            raise BadRequest("runtime_filename: must be another name.", field="runtime_filename")
        files = {
            body.requirements_filename: body.requirements_list,
            body.runtime_filename: body.runtime,
        }
        return SavedModel(await save(self.contents_manager, body.notebook_path, files))


class EnvironmentHandler(BridgeHandler):
    resources: tuple[str, ...] = ("bridge:kernels", "kernels")

    def initialize(self, ask_kernel: AskKernel) -> None:
        self.ask_kernel = ask_kernel

    async def authorize(self, action: str) -> None:
        if KernelName.parse(self.path_kwargs.get("kernel_id", "")).connection:
            self.resources = (*self.resources, "bridge:connections")
        await super().authorize(action)

    @verb(
        "execute",
        "Ask a kernel what it runs on, and save that if wanted",
        body=EnvironmentBody,
        reply=EnvironmentModel,
    )
    async def post(self, kernel_id: str, body: EnvironmentBody) -> EnvironmentModel:
        if body.save:
            if body.path is None:
                raise BadRequest("path: must be given to save beside it.", field="path")
            if not await is_allowed(self, self.current_user, "write", ("contents",)):
                raise Denied("You may not write on contents.")
        found = await self.ask_kernel(self.username, kernel_id)
        saved = []
        if body.save and body.path is not None:
            saved = await save(self.contents_manager, body.path, found.files)
        return EnvironmentModel(
            language=found.language,
            requirements_list=found.requirements_list,
            requirements_filename=found.requirements_filename,
            runtime=found.runtime,
            runtime_filename=found.runtime_filename,
            saved=saved,
        )
