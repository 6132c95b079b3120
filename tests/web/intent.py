"""Ways to make a GET, as headers and a query: those that prove that it was meant, and the others.

For the matrices of a plain server and of one under a hub. Each names what a browser, or a client
that is no browser, sends; the login cookie is added to all of them.
"""

from __future__ import annotations

from typing import NamedTuple

FOREIGN = "http://evil.example"
SCRIPT = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}


class Way(NamedTuple):
    """Headers beside the cookie, and what stands behind the `?`."""

    headers: dict[str, str] = {}
    query: str = ""


def _sent(site: str, dest: str, mode: str, **more: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": dest, "Sec-Fetch-Mode": mode, **more}


# What elements and other things without a script send, by destination and mode.
ELEMENTS = [
    *((dest, "no-cors") for dest in ("image", "style", "script", "audio", "video", "track")),
    *((dest, "no-cors") for dest in ("object", "embed", "empty", "report")),
    *((dest, "cors") for dest in ("image", "font", "script", "style", "manifest", "worker")),
    *((dest, "navigate") for dest in ("document", "iframe", "frame", "object", "embed", "empty")),
    ("image", "same-origin"),
    ("empty", "websocket"),
]


def refused(own_page: str) -> dict[str, Way]:
    """What proves nothing, by name; `own_page` is the address of a page of this server."""
    own = {"Referer": own_page}
    ways = {
        "nothing more": Way(),
        "own Referer": Way(own),
        "foreign Referer": Way({"Referer": f"{FOREIGN}/page"}),
        "own Origin": Way({**own, "Origin": own_page.rpartition("/lab/")[0]}),
        "wrong token": Way({"Authorization": "token wrong"}),
        "wrong token, query": Way(query="token=wrong"),
        "wrong XSRF token": Way({"X-XSRFToken": "2|aaaa|bbbb|0"}),
        "wrong XSRF token, query": Way(query="_xsrf=2|aaaa|bbbb|0"),
        "empty XSRF token": Way({**own, "X-XSRFToken": ""}, "_xsrf="),
    }
    for dest, mode in ELEMENTS:
        ways[f"{dest} {mode}"] = Way({**own, **_sent("same-origin", dest, mode)})
    for site in ("cross-site", "same-site", "none"):
        ways[f"{site} script"] = Way({**own, **SCRIPT, "Sec-Fetch-Site": site})
        ways[f"{site} script, Origin"] = Way({**SCRIPT, "Sec-Fetch-Site": site, "Origin": FOREIGN})
        ways[f"{site} link"] = Way(_sent(site, "document", "navigate"))
        ways[f"{site} image"] = Way(_sent(site, "image", "no-cors"))
    for name in SCRIPT:
        without = {key: value for key, value in SCRIPT.items() if key != name}
        ways[f"no {name}"] = Way({**own, **without})
        ways[f"two of {name}"] = Way({**own, **SCRIPT, name: f"{SCRIPT[name]}, {SCRIPT[name]}"})
    for name, value in (
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ):
        ways[f"{name}: {value}"] = Way({**own, **SCRIPT, name: value})
    return ways


def scripts() -> dict[str, Way]:
    """A script's own fetch, without any token."""
    return {
        "script": Way(SCRIPT),
        "script, same-origin": Way({**SCRIPT, "Sec-Fetch-Mode": "same-origin"}),
        "script, foreign Referer": Way({**SCRIPT, "Referer": f"{FOREIGN}/page"}),
    }


def proven(token: str, xsrf: str) -> dict[str, Way]:
    """What shows a token or the XSRF token, whatever else it is."""
    image = _sent("same-origin", "image", "no-cors")
    return {
        "token": Way({"Authorization": f"token {token}"}),
        "token, query": Way(query=f"token={token}"),
        "XSRF token": Way({"X-XSRFToken": xsrf}),
        "XSRF token, query": Way(query=f"_xsrf={xsrf}"),
        "XSRF token, script": Way({**SCRIPT, "X-XSRFToken": xsrf}),
        "XSRF token, query, image": Way(image, f"_xsrf={xsrf}"),
    }
