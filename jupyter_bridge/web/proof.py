"""Proof that a person meant a GET that changes something.

A browser sends the login cookie along with every request that any page causes: a followed link, an
image in somebody's notebook, a prefetch. The Referer of such a request is this server's own address
if the page is. So neither the cookie nor the Referer proves anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.escape import utf8

# What a browser says of a request that a script of this origin makes with fetch() or
# XMLHttpRequest (W3C Fetch Metadata). An element such as <img> has another destination, a followed
# link another mode, another page another site. No page can set these headers itself.
_OWN_FETCH = {
    "Sec-Fetch-Site": ("same-origin",),
    "Sec-Fetch-Dest": ("empty",),
    "Sec-Fetch-Mode": ("cors", "same-origin"),
}
# A browser that fetches ahead of the user says so in one of these. `<link rel=prefetch
# crossorigin>` needs no script and otherwise looks like a script's fetch.
_AHEAD = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


def is_own_fetch(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a script of this very origin makes the request, now.

    Browsers send these headers over https and to localhost only, old ones not at all: then a page
    has to show the XSRF token. `<link rel=preload as=fetch crossorigin>` sends the very same ones;
    JupyterLab's sanitizer lets no <link> of a notebook pass.
    """
    if any(name in headers for name in _AHEAD):
        return False
    return all(headers.get(name) in values for name, values in _OWN_FETCH.items())


def shows_xsrf_token(handler: JupyterHandler) -> bool:
    """Whether the request carries the XSRF token that belongs to its cookies.

    The host's own `check_xsrf_cookie` is not asked: for a GET it also accepts a Referer, and the
    one that a JupyterHub puts in its place accepts a followed link.
    """
    if hasattr(handler, "_xsrf_token_id"):  # a JupyterHub has put its own token in place
        shown = handler.get_argument("_xsrf", "") or handler.request.headers.get("X-XSRFToken", "")
        return hmac.compare_digest(utf8(shown), utf8(handler.xsrf_token))
    try:
        web.RequestHandler.check_xsrf_cookie(handler)
    except web.HTTPError:
        return False
    return True
