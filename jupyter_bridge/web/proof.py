"""Proof of intent for a GET that changes something.

A browser sends the login cookie with every request that a page causes: a followed link, an image in
another person's notebook, a prefetch. If the page is from this server, so is the Referer. Therefore
neither the cookie nor the Referer proves intent.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.escape import utf8

# The headers of a request that a script of this origin makes with fetch() or XMLHttpRequest (W3C
# Fetch Metadata). An element such as <img> has another destination, a followed link another mode,
# a foreign page another site. No page can set these headers.
_OWN_FETCH = {
    "Sec-Fetch-Site": ("same-origin",),
    "Sec-Fetch-Dest": ("empty",),
    "Sec-Fetch-Mode": ("cors", "same-origin"),
}
# A browser that prefetches sends one of these. `<link rel=prefetch crossorigin>` needs no script
# and otherwise has the headers of a script's fetch.
_AHEAD = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


def is_own_fetch(headers: Mapping[str, str]) -> bool:
    """Tell whether a script of this origin makes the request, by the browser's own headers.

    Browsers send them over https and to localhost only, old browsers never: then a page needs the
    XSRF token. `<link rel=preload as=fetch crossorigin>` sends the same headers; JupyterLab's
    sanitizer removes every <link> of a notebook.
    """
    if any(name in headers for name in _AHEAD):
        return False
    return all(headers.get(name) in values for name, values in _OWN_FETCH.items())


def shows_xsrf_token(handler: JupyterHandler) -> bool:
    """Tell whether the request carries the XSRF token that belongs to its cookies.

    Not by the host's `check_xsrf_cookie`: for a GET it also accepts a Referer, and JupyterHub's own
    accepts a followed link.
    """
    if hasattr(handler, "_xsrf_token_id"):  # under JupyterHub, with its own token
        shown = handler.get_argument("_xsrf", "") or handler.request.headers.get("X-XSRFToken", "")
        return hmac.compare_digest(utf8(shown), utf8(handler.xsrf_token))
    try:
        web.RequestHandler.check_xsrf_cookie(handler)
    except web.HTTPError:
        return False
    return True
