"""What the page says."""

import html

from crm_relay.mail.feedback.unsubscribe import Reader
from crm_relay.platform.http.http_edge import PageContent
from crm_relay.platform.http.public_page import CLOSE, public_page


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
        return public_page("Unsubscribe", f"{text}{form}<p class=soft>{_STAYS} Nothing changes until you press it.</p>")
    topic = "" if reader.topic is None or reader.is_out_of_topic else _button("topic", f"No more of {reader.topic}")
    everything = _button("all", "No more e-mails at all", is_second=bool(topic))
    text = f"<p>Shall {sender} stop sending e-mails{recipient}?</p>"
    form = f'<form method="post">{topic}{everything}</form>'
    return public_page("Unsubscribe", f"{text}{form}<p class=soft>Nothing changes until you press a button.</p>")


def done(reader: Reader | None, *, of_topic: bool) -> PageContent:
    """After: what was done, also where it had been done before."""
    sender = html.escape(reader.organization) if reader and reader.organization else "us"
    if reader is not None and reader.is_colleague:
        about = html.escape(reader.topic or "this")
        return public_page(
            "Done", f"<p>You will get no more e-mails about <strong>{about}</strong>.</p><p>{_STAYS}</p>"
        )
    if of_topic and reader is not None and reader.topic is not None and not reader.is_out:
        topic = html.escape(reader.topic)
        more = f'<form method="post">{_button("all", "No more e-mails at all", is_second=True)}</form>'
        return public_page(
            "Done", f"<p>You will get no more e-mails about <strong>{topic}</strong> from {sender}.</p>{more}"
        )
    return public_page("You are unsubscribed", f"<p>You will get no more e-mails from {sender}.</p>{CLOSE}")


def kept() -> PageContent:
    """The request is safe, and will be carried out."""
    return public_page("We have your request", f"<p>It is kept, and will be carried out within the hour.</p>{CLOSE}")


_STAYS = "Notifications in the application stay."


def _button(scope: str, label: str, *, is_second: bool = False) -> str:
    kind = ' class="second"' if is_second else ""
    return f'<button{kind} name="scope" value="{scope}">{html.escape(label)}</button>'
