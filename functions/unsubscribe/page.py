"""The page itself: one document without script, cookie or anything from elsewhere."""

import base64
import hashlib
import html
from collections.abc import Mapping

from crm_relay.mail.feedback.unsubscribe import Reader
from crm_relay.platform.http.http_edge import PageContent

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
button:hover { filter: brightness(1.08); }
button:focus-visible { outline: 3px solid var(--act); outline-offset: 3px; }
@media (max-width: 26rem) { body { padding: 12px; } main { padding: 28px 20px; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Mapping[str, str] = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-robots-tag": "noindex, nofollow",
}
"""Nothing is loaded or run, and nobody frames the page or finds it by searching."""


def asks(reader: Reader) -> PageContent:
    """Before: what somebody may choose."""
    recipient = f" to <strong>{html.escape(reader.masked)}</strong>" if reader.masked else ""
    sender = html.escape(reader.organization) or "us"
    if reader.is_out:
        return done(reader, of_topic=False)
    if reader.is_colleague:
        name = reader.topic or "this"
        about = html.escape(name)
        text = f"<p>Shall {sender} stop sending you e-mails about <strong>{about}</strong>{recipient}?</p>"
        form = f'<form method="post">{_button("topic", f"No more e-mails about {name}")}</form>'
        return _page("Unsubscribe", f"{text}{form}<p class=soft>{_STAYS} Nothing changes until you press it.</p>")
    topic = "" if reader.topic is None or reader.is_out_of_topic else _button("topic", f"No more of {reader.topic}")
    everything = _button("all", "No more e-mails at all", is_second=bool(topic))
    text = f"<p>Shall {sender} stop sending e-mails{recipient}?</p>"
    form = f'<form method="post">{topic}{everything}</form>'
    return _page("Unsubscribe", f"{text}{form}<p class=soft>Nothing changes until you press a button.</p>")


def done(reader: Reader | None, *, of_topic: bool) -> PageContent:
    """After: what was done, also where it had been done before."""
    sender = html.escape(reader.organization) if reader and reader.organization else "us"
    if reader is not None and reader.is_colleague:
        about = html.escape(reader.topic or "this")
        return _page("Done", f"<p>You will get no more e-mails about <strong>{about}</strong>.</p><p>{_STAYS}</p>")
    if of_topic and reader is not None and reader.topic is not None and not reader.is_out:
        topic = html.escape(reader.topic)
        more = f'<form method="post">{_button("all", "No more e-mails at all", is_second=True)}</form>'
        return _page("Done", f"<p>You will get no more e-mails about <strong>{topic}</strong> from {sender}.</p>{more}")
    return _page("You are unsubscribed", f"<p>You will get no more e-mails from {sender}.</p>{_CLOSE}")


def kept() -> PageContent:
    """The request is safe, and will be carried out."""
    return _page("We have your request", f"<p>It is kept, and will be carried out within the hour.</p>{_CLOSE}")


def unknown() -> PageContent:
    """Nothing here says whether such a link ever was."""
    return _page("This page does not exist", "<p>The link may be incomplete. Please open it from the e-mail again.</p>")


def later() -> PageContent:
    """Nothing can be shown, though a mail program's own button still works."""
    text = "<p>This page cannot be shown at the moment. Please come back in a few minutes.</p>"
    page = _page("Please try again", text)
    return PageContent(page.text, page.content_type, {**page.headers, "retry-after": "120"})


_STAYS = "Notifications in the application stay."
_CLOSE = "<p class=soft>You can close this page.</p>"


def _button(scope: str, label: str, *, is_second: bool = False) -> str:
    kind = ' class="second"' if is_second else ""
    return f'<button{kind} name="scope" value="{scope}">{html.escape(label)}</button>'


def _page(title: str, body: str) -> PageContent:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )
    return PageContent(text, "text/html; charset=utf-8", PAGE_HEADERS)
