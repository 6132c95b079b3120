"""A kernel's environment as two texts, saved beside the notebook by the contents manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_bridge.connections.environment import files_of, save
from jupyter_bridge.models.environments import (
    EnvironmentBody,
    EnvironmentModel,
    RequirementsBody,
    SavedModel,
)
from jupyter_bridge.problems import BadRequest
from jupyter_bridge.web import BridgeHandler, verb
from jupyter_bridge.wire.names import KernelName

AskKernel = Callable[[str, str], Awaitable[EnvironmentModel]]
"""`ask(user, kernel_id)` returns the environment of a kernel, on behalf of the user."""


class RequirementsHandler(BridgeHandler):
    resources = ("bridge:connections", "contents")

    @verb("write", "Save requirements beside a notebook", body=RequirementsBody, reply=SavedModel)
    async def post(self, body: RequirementsBody) -> SavedModel:
        if body.requirements_filename == body.runtime_filename:
            raise BadRequest("runtime_filename: must be different.", field="runtime_filename")
        saved = await save(self.contents_manager, body.notebook_path, files_of(body))
        return SavedModel(saved, status=200)


class EnvironmentHandler(BridgeHandler):
    resources: tuple[str, ...] = ("bridge:kernels", "kernels")

    def initialize(self, ask_kernel: AskKernel) -> None:
        self.ask_kernel = ask_kernel

    async def authorize(self, action: str) -> None:
        if KernelName.parse(self.path_kwargs.get("kernel_id", "")).connection:
            self.resources = (*self.resources, "bridge:connections")
        await super().authorize(action)

    async def judge(self, **arguments: Any) -> None:
        if arguments["body"].save:
            await self.demand("write", "contents")

    @verb(
        "execute",
        "Read the environment of a kernel, and save it if requested",
        body=EnvironmentBody,
        reply=EnvironmentModel,
    )
    async def post(self, kernel_id: str, body: EnvironmentBody) -> EnvironmentModel:
        if body.save and body.path is None:
            raise BadRequest("path: is required to save beside the notebook.", field="path")
        found = await self.ask_kernel(self.username, kernel_id)
        if body.save and body.path is not None:
            found.saved = await save(self.contents_manager, body.path, files_of(found))
        return found
