"""requirements and environment, on a real server with a real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError


async def post(fetch: Any, path: str, body: Any) -> Any:
    response = await fetch("bridge", *path.split("/"), method="POST", body=json.dumps(body))
    return json.loads(response.body)


async def test_requirements_are_saved_beside_the_notebook(jp_fetch: Any, jp_root_dir: Path) -> None:
    """Both texts are where the notebook is, and nothing can be written elsewhere."""
    (jp_root_dir / "work").mkdir()
    texts = {"requirements_list": "numpy==2\n", "runtime": "python-3.12\n"}
    body = await post(jp_fetch, "requirements", {"notebook_path": "work/a.ipynb", **texts})
    assert body["saved"] == ["work/requirements.txt", "work/runtime.txt"]
    assert (jp_root_dir / "work/requirements.txt").read_text() == "numpy==2\n"
    for odd in ({"notebook_path": "../a.ipynb"}, {"requirements_filename": "/etc/passwd"}):
        with pytest.raises(HTTPClientError) as caught:
            await post(jp_fetch, "requirements", {"notebook_path": "a.ipynb", **texts, **odd})
        assert caught.value.code == 400


async def test_a_kernel_is_asked_itself(jp_fetch: Any, jp_root_dir: Path) -> None:
    """The kernel tells what is installed and which Python it is; its history stays empty."""
    kernel = (await post(jp_fetch, "spawn/python3", {}))["id"]
    try:
        wanted = {"path": "a.ipynb", "save": True}
        body = await post(jp_fetch, f"environment/{kernel}", wanted)
        assert body["language"] == "python"
        assert "ipykernel==" in body["requirements_list"]
        assert body["runtime"].startswith("python-3.")
        assert (jp_root_dir / "requirements.txt").read_text() == body["requirements_list"]
        result = await post(jp_fetch, f"execute/{kernel}", {"code": "1"})
        assert result["execution_count"] == 1
    finally:
        await post(jp_fetch, f"shutdown/{kernel}", {})
