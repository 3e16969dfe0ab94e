"""The page that a browser ends at."""

from html import escape

from crm_relay.platform.http.http_edge import PageContent

COOKIE = "crm_relay_oauth"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


def page(title: str, text: str) -> PageContent:
    """The cookie of the start is gone behind it."""
    body = _PAGE.format(title=escape(title), text=escape(text))
    return PageContent(body, "text/html; charset=utf-8", {"set-cookie": forget_cookie()})


def redirect(address: str, state: str, *, secure: bool) -> PageContent:
    """To the provider, with the state in a cookie that only this browser has."""
    cookie = f"{COOKIE}={state}; Path=/oauth; Max-Age=600; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return PageContent("", "text/plain", {"location": address, "set-cookie": cookie, "cache-control": "no-store"})


def forget_cookie() -> str:
    """At once."""
    return f"{COOKIE}=; Path=/oauth; Max-Age=0; HttpOnly; SameSite=Lax"


def cookie_of(header: str) -> str | None:
    """The state that this browser began with."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None
