"""What people do with a mail: open, click, unsubscribe, come back; and what an admin or a mailbox does."""

from __future__ import annotations

import base64
import re

from local.simulators.mautic.contacts import do_not_contact, shapes
from local.simulators.mautic.mail import emails
from local.simulators.mautic.state import Event, MauticData, SimulatedContact, SimulatedHit, SimulatedSending
from local.simulators.mautic.webhooks import events
from local.simulators.mautic.webhooks.events import event
from local.simulators.mautic.wire import Json, MauticRequest, MauticResponse, iso

VISITOR = " "  # modifiedByUser after a visitor's own action (recorded: 97_hook_click__lead_post_save_update)
PIXEL = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01"
PIXEL += b"\x00\x01\x00\x00\x02\x02D\x01\x00;"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"


def open_mail(mautic: MauticData, sending: SimulatedSending) -> None:
    """email_on_open on every open, with a growing openCount (recorded: 97_hook_email_on_open_second)."""
    with mautic.lock:
        contact = mautic.contacts.get(sending.contact_id)
        if contact is None:
            return
        announced = _opened(mautic, sending, contact)
        _seen(mautic, contact)
    mautic.publish(announced)


def _opened(mautic: MauticData, sending: SimulatedSending, contact: SimulatedContact) -> list[Event]:
    sending.opens += 1
    sending.last_open = mautic.now()
    sending.opened_at.append(sending.last_open)
    sending.first_open = sending.first_open or sending.last_open
    announced = event(mautic, "email_on_open", lambda: {"stat": stat(mautic, sending, contact)})
    mautic.emails[sending.email_id].read += sending.opens == 1
    return announced


def _seen(mautic: MauticData, contact: SimulatedContact) -> None:
    contact.last_active = mautic.now()
    mautic.set_value(contact, "last_active", mautic.now().strftime("%Y-%m-%d %H:%M:%S"))


def stat(mautic: MauticData, sending: SimulatedSending, contact: SimulatedContact) -> Json:
    return {
        "id": sending.id,
        "emailAddress": sending.address,
        "ipAddress": [],
        "dateSent": iso(sending.sent),
        "isRead": sending.opens > 0,
        "isFailed": False,
        "dateRead": iso(sending.first_open),
        "retryCount": 0,
        "source": "api",
        "openCount": sending.opens,
        "lastOpened": iso(sending.last_open),
        "sourceId": 0,
        "trackingHash": sending.hash,
        "viewedInBrowser": False,
        "lead": shapes.as_lead(mautic, contact),
        "email": emails.content(mautic.emails[sending.email_id]),
    }


def click(mautic: MauticData, sending: SimulatedSending, url: str = emails.LINK) -> None:
    """The contact is saved, an unopened mail counts as opened, then the page hit follows, in this order."""
    with mautic.lock:
        contact = mautic.contacts.get(sending.contact_id)
        if contact is None:
            return
        contact.visited, contact.modified, contact.modified_by = True, mautic.now(), VISITOR
        announced = events.updated(mautic, contact)
        if not sending.opens:
            announced += _opened(mautic, sending, contact)
        hit = _record(mautic, contact, url, sending.email_id)
        announced += event(mautic, "page_on_hit", lambda: {"hit": _email_hit(mautic, sending, contact, hit)})
        _seen(mautic, contact)
    mautic.publish(announced)


def _record(mautic: MauticData, contact: SimulatedContact, url: str, email_id: int | None = None) -> SimulatedHit:
    """The row stands in page_hits whether or not a webhook is told of it."""
    hit = SimulatedHit(mautic.next_id("hit"), contact.id, url, mautic.now(), email_id)
    mautic.hits.append(hit)
    return hit


def _email_hit(mautic: MauticData, sending: SimulatedSending, contact: SimulatedContact, row: SimulatedHit) -> Json:
    """The sending is found by `query.ct.stat` (recorded: 97_hook_click__page_on_hit)."""
    person, mail = str(contact.id), str(sending.email_id)
    through = {
        "source": ["api", "0"],
        "email": mail,
        "stat": sending.hash,
        "lead": person,
        "channel": {"email": mail},
    }
    hit = _hit(mautic, contact, row, None, {"x": "1", "ct": through, "page_url": row.url})
    mail_content = emails.content(mautic.emails[sending.email_id])
    return {**hit, "redirect": [], "email": mail_content, "source": "email", "sourceId": sending.email_id}


def _hit(mautic: MauticData, contact: SimulatedContact, row: SimulatedHit, title: str | None, query: Json) -> Json:
    return {
        "id": row.id,
        "dateHit": iso(row.at),
        "dateLeft": None,
        "page": None,
        "redirect": None,
        "email": None,
        "lead": shapes.as_lead(mautic, contact),
        "ipAddress": [],
        **dict.fromkeys(["country", "region", "city", "isp", "organization"], ""),
        "code": 200,
        "referer": None,
        "url": row.url,
        "urlTitle": title,
        "userAgent": AGENT,
        "remoteHost": None,
        "pageLanguage": None,
        "browserLanguages": ["en"],
        "trackingId": mautic.new_hash() + "0",
        "source": None,
        "sourceId": None,
        "query": query,
    }


def visit_website(mautic: MauticData, url: str, title: str = "Shop") -> SimulatedContact:
    """An unknown visitor: the same event as a click, but with no e-mail in it."""
    with mautic.lock:
        visitor = SimulatedContact(mautic.next_id("contact"), mautic.now())
        mautic.store(visitor)
        query = {"page_url": url, "page_title": title}
        row = _record(mautic, visitor, url)
        announced = event(mautic, "page_on_hit", lambda: {"hit": _hit(mautic, visitor, row, title, query)})
    mautic.publish(announced)
    return visitor


def unsubscribe(mautic: MauticData, sending: SimulatedSending) -> None:
    """A plain GET is enough. The same status again sends nothing."""
    _suppress(mautic, sending, do_not_contact.UNSUBSCRIBED, "User unsubscribed.")


def bounce(mautic: MauticData, sending: SimulatedSending, comments: str = "550 no such user") -> None:
    _suppress(mautic, sending, do_not_contact.BOUNCED, comments)


def _suppress(mautic: MauticData, sending: SimulatedSending, reason: int, comments: str) -> None:
    with mautic.lock:
        contact = mautic.contacts.get(sending.contact_id)
        if contact is None:
            return
        _seen(mautic, contact)
        contact.visited = contact.visited or reason == do_not_contact.UNSUBSCRIBED
        announced = do_not_contact.suppress(
            mautic, contact, "email", reason, comments, channel_id=sending.email_id, actor=VISITOR
        )
    mautic.publish(announced)


def resubscribe(mautic: MauticData, sending: SimulatedSending) -> None:
    with mautic.lock:
        contact = mautic.contacts.get(sending.contact_id)
        announced = do_not_contact.release(mautic, contact, "email", actor=VISITOR) if contact else []
    mautic.publish(announced)


def get_pixel(mautic: MauticData, request: MauticRequest, tracking_hash: str) -> MauticResponse:
    """An unknown hash gets the same picture (recorded: 96_open_pixel_unknown_hash)."""
    del request
    if sending := mautic.sendings.get(tracking_hash):
        open_mail(mautic, sending)
    return MauticResponse(200, PIXEL, {"Pragma": "no-cache"}, "image/gif")


def get_view(mautic: MauticData, request: MauticRequest, tracking_hash: str) -> MauticResponse:
    get_pixel(mautic, request, tracking_hash)
    return MauticResponse(200, b"<!DOCTYPE html>", content_type="text/html; charset=UTF-8")


def get_unsubscribe(mautic: MauticData, request: MauticRequest, tracking_hash: str) -> MauticResponse:
    if sending := mautic.sendings.get(tracking_hash):
        unsubscribe(mautic, sending)
    text = b"Unsubscribed" if request.method == "POST" else b"<!DOCTYPE html>\n<html></html>"
    return MauticResponse(200, text, content_type="text/html; charset=UTF-8")


def get_resubscribe(mautic: MauticData, request: MauticRequest, tracking_hash: str) -> MauticResponse:
    del request
    if sending := mautic.sendings.get(tracking_hash):
        resubscribe(mautic, sending)
    return MauticResponse(200, b"<!DOCTYPE html>\n<html></html>", content_type="text/html; charset=UTF-8")


def get_link(mautic: MauticData, request: MauticRequest, tracking_hash: str) -> MauticResponse:
    """Mautic's own link names the sending in `ct` (recorded: 96_click_request); ours may have it in the path."""
    url = request.query.get("url", emails.LINK)
    through = base64.b64decode(request.query.get("ct", "") + "==", validate=False).decode(errors="replace")
    found = re.search(r's:4:"stat";s:\d+:"(\w+)"', through)
    if sending := mautic.sendings.get(found.group(1) if found else tracking_hash):
        click(mautic, sending, url)
    return MauticResponse(302, b"", {"Location": url}, "text/html; charset=UTF-8")


def get_website_pixel(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    visit_website(mautic, request.query.get("page_url", ""), request.query.get("page_title", ""))
    return MauticResponse(200, PIXEL, {"Pragma": "no-cache"}, "image/gif")


def mailer_callback(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    """recorded: 96_mailer_callback_no_plugin"""
    del mautic, request
    text = b"No email transport that could process this callback was found"
    return MauticResponse(404, text, content_type="text/html; charset=UTF-8")
