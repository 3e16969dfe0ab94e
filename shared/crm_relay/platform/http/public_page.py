"""Pages for people who have nothing but a link: one document without script, cookie or anything from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping

from crm_relay.platform.http.http_edge import HttpRequest, PageContent

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6474; --paper: #f4f5f7; --card: #ffffff; --line: #dfe3e9;
  --act: #1f5fbf; --on-act: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --soft: #a3adbd; --paper: #12161d; --card: #1b212b; --line: #313a48; --act: #8ab4f8;
    --on-act: #10151d; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--paper);
  color: var(--ink); font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 30rem; padding: 40px 36px; background: var(--card); border: 1px solid var(--line);
  border-radius: 16px; }
h1 { margin: 0 0 12px; font-size: 1.5rem; line-height: 1.25; letter-spacing: -0.01em; text-wrap: balance; }
p { margin: 0 0 16px; overflow-wrap: anywhere; }
p:last-child { margin: 0; }
.soft { color: var(--soft); font-size: 0.9rem; }
form { display: grid; gap: 12px; margin: 24px 0 20px; }
button { min-height: 48px; padding: 10px 18px; border-radius: 10px; border: 1px solid var(--act);
  background: var(--act); color: var(--on-act); font: inherit; font-weight: 600; cursor: pointer; }
button.second { background: transparent; color: var(--act); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 18px; margin: 0 0 20px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
blockquote { margin: 0 0 20px; padding: 2px 0 2px 16px; border-left: 3px solid var(--line); white-space: pre-line; }
label { font-size: 0.9rem; color: var(--soft); }
textarea, select { width: 100%; margin-top: 6px; padding: 10px 12px; border: 1px solid var(--line);
  border-radius: 10px; background: var(--paper); color: var(--ink); font: inherit; }
textarea { min-height: 5rem; resize: vertical; }
select { min-height: 48px; }
button:hover { filter: brightness(1.08); }
button:focus-visible, textarea:focus-visible, select:focus-visible {
  outline: 3px solid var(--act); outline-offset: 3px; }
@media (max-width: 26rem) { body { padding: 12px; } main { padding: 28px 20px; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Mapping[str, str] = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-robots-tag": "noindex, nofollow",
}
"""Nothing is loaded or run, and nobody frames the page or finds it by searching."""

CLOSE = "<p class=soft>You can close this page.</p>"


def public_page(title: str, body: str) -> PageContent:
    """`body` is HTML whose values are escaped."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )
    return PageContent(text, "text/html; charset=utf-8", PAGE_HEADERS)


def unknown_page() -> PageContent:
    """Nothing here says whether such a link ever was."""
    text = "<p>The link may be incomplete. Please open it from the e-mail again.</p>"
    return public_page("This page does not exist", text)


def later_page() -> PageContent:
    """Nothing can be shown now."""
    text = "<p>This page cannot be shown at the moment. Please come back in a few minutes.</p>"
    page = public_page("Please try again", text)
    return PageContent(page.text, page.content_type, {**page.headers, "retry-after": "120"})


def headless(request: HttpRequest, content: PageContent) -> PageContent:
    """https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2"""
    return PageContent("", content.content_type, content.headers) if request.method == "HEAD" else content
