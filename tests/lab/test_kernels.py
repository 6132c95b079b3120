"""Kernels in JupyterLab: spawned, watched, read message by message, ended."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.conftest import Server
from tests.support.asking import ask
from tests.support.browsing import layout_saved, open_lab, open_panel, until


def spawn(server: Server, name: str) -> str:
    """A kernel's id."""
    return str(ask(server, "POST", "bridge/spawn/python3", {"name": name})["id"])


def execute(server: Server, kernel: str, code: str, **more: Any) -> Any:
    return ask(server, "POST", f"bridge/execute/{kernel}", {"code": code, **more})


def row_of(page: Page, name: str) -> Locator:
    return page.locator("#jupyter-bridge-kernels .jp-Bridge-row", has_text=name)


def choose(page: Page, row: Locator, action: str) -> None:
    """Choose an action from a row's menu."""
    row.click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text=action).click()


def test_a_kernel_is_spawned_seen_busy_and_shut_down(page: Page, lab: Server) -> None:
    """By the picker; what it executes since when; interrupted; asked before it ends."""
    open_panel(page)
    page.get_by_label("Spawn a kernel…").click()
    page.get_by_label("Kernelspec").select_option("python3")
    page.get_by_label("Name (optional)").fill("analysis")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    row = row_of(page, "analysis")
    expect(row.get_by_label("idle")).to_be_attached()
    kernel = next(
        one["id"] for one in ask(lab, "GET", "bridge/kernels") if one["name"] == "analysis"
    )
    ask(lab, "POST", f"bridge/execute/{kernel}?", {"code": "1"})
    page.evaluate(
        """([url, token]) => { void fetch(url, {method: 'POST', body:
        JSON.stringify({code: 'import time; time.sleep(500)'}),
        headers: {Authorization: 'token ' + token}}); }""",
        [f"{lab.url}bridge/execute/{kernel}", lab.token],
    )
    expect(row).to_contain_text("busy for")
    expect(row).to_contain_text("time.sleep(500)")
    choose(page, row, "Interrupt")
    expect(row.get_by_label("idle")).to_be_attached()
    choose(page, row, "Restart")
    page.locator(".jp-Dialog .jp-mod-warn").click()
    expect(row.get_by_label("idle")).to_be_attached()
    choose(page, row, "Shut down")
    page.locator(".jp-Dialog .jp-mod-warn").click()
    expect(row).to_have_count(0)
    assert kernel not in {one["id"] for one in ask(lab, "GET", "bridge/kernels")}


def test_a_kernel_that_others_start_appears_by_an_event(page: Page, lab: Server) -> None:
    """Nothing is asked of the server while nothing happens; then only what changed."""
    open_panel(page)
    expect(page.locator("#jupyter-bridge-kernels .jp-Bridge-bar")).to_be_visible()
    page.wait_for_timeout(1500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3000)
    assert not [url for url in asked if "/bridge/" in url]
    kernel = spawn(lab, "elsewhere")
    expect(row_of(page, "elsewhere").get_by_label("idle")).to_be_attached()
    ask(lab, "DELETE", f"bridge/shutdown/{kernel}")
    expect(row_of(page, "elsewhere")).to_have_count(0)


def test_messages_are_read_narrowed_paused_and_copied(page: Page, lab: Server) -> None:
    """The live view of what a kernel says."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    kernel = spawn(lab, "talker")
    open_panel(page)
    row_of(page, "talker").dblclick()
    view = page.locator(".jp-BridgeMessages")
    expect(view.get_by_role("status")).to_contain_text("Connected")
    execute(lab, kernel, "print('<i>loud</i>')")
    expect(view.locator("code", has_text="stdout: <i>loud</i>")).to_be_visible()
    view.get_by_role("button", name="stream", exact=True).click()
    expect(view.locator(".jp-BridgeMessages-line")).to_have_count(1)
    view.get_by_label("Filter by content").fill("nowhere")
    expect(view.locator(".jp-BridgeMessages-line")).to_have_count(0)
    view.get_by_label("Filter by content").fill("")
    view.locator(".jp-BridgeMessages-line").click()
    view.get_by_label("Copy as JSON").click()
    copied = json.loads(page.evaluate("() => navigator.clipboard.readText()"))
    assert copied["content"] == {"name": "stdout", "text": "<i>loud</i>\n"}
    assert (copied["channel"], copied["header"]["msg_type"]) == ("iopub", "stream")
    view.get_by_label("Pause").click()
    execute(lab, kernel, "print('quiet')")
    expect(view.get_by_role("status")).to_contain_text("were not kept")
    view.get_by_label("Resume").click()
    execute(lab, kernel, "print('again')")
    expect(view.locator("code", has_text="stdout: again")).to_be_visible()
    assert view.locator("code", has_text="quiet").count() == 0
    layout_saved(page, lab, f"bridge-messages:{kernel}")
    open_lab(page, lab, "lab")
    expect(page.locator(".jp-BridgeMessages").get_by_role("status")).to_contain_text("Connected")
    ask(lab, "DELETE", f"bridge/shutdown/{kernel}")


def test_a_problem_is_shown_with_its_sentence(page: Page, lab: Server) -> None:
    """Never "Error 500": what the server says went wrong, and it is put away by a click."""
    kernel = spawn(lab, "short-lived")
    open_panel(page)
    row = row_of(page, "short-lived")
    expect(row).to_be_visible()
    page.route(
        "**/bridge/restart/**",
        lambda route: route.fulfill(
            status=504,
            content_type="application/json",
            body=json.dumps({"error": "timeout", "message": "The kernel did not restart in time."}),
        ),
    )
    choose(page, row, "Restart")
    page.locator(".jp-Dialog .jp-mod-warn").click()
    problem = page.locator("#jupyter-bridge-kernels [role=alert]")
    expect(problem).to_contain_text("The kernel did not restart in time.")
    problem.get_by_label("Dismiss").click()
    expect(problem).to_have_count(0)
    ask(lab, "DELETE", f"bridge/shutdown/{kernel}")


def test_the_keyboard_is_enough(page: Page, lab: Server) -> None:
    """Arrow keys choose a row, a key opens its menu, Enter chooses from it."""
    kernels = [spawn(lab, f"key-{number}") for number in range(3)]
    open_panel(page)
    page.get_by_label("Filter kernels").fill("key-")
    expect(page.locator("#jupyter-bridge-kernels .jp-Bridge-row")).to_have_count(3)
    page.keyboard.press("Tab")  # the button that spawns
    page.keyboard.press("Tab")
    focused = "() => document.activeElement.textContent"
    first = page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    until(page, lambda: page.evaluate(focused) != first)
    assert "key-" in page.evaluate(focused)
    page.keyboard.press("Shift+F10")
    expect(page.locator(".lm-Menu")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".jp-BridgeMessages")).to_be_visible()
    for kernel in kernels:
        ask(lab, "DELETE", f"bridge/shutdown/{kernel}")
