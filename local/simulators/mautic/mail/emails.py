"""E-mails and sending them: to one contact without regard to do-not-contact, to segments with it."""

from __future__ import annotations

from typing import Any

from local.simulators.mautic.contact_fields import API_USER
from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.state import MauticData, SimulatedContact, SimulatedEmail, SimulatedSending
from local.simulators.mautic.webhooks.events import event
from local.simulators.mautic.wire import Json, MauticRequest, MauticResponse, iso, not_found

LINK = "http://127.0.0.1:8099/landing?x=1"
HTML = f'<!DOCTYPE html><html><body><p>Hello</p><a href="{LINK}">Tickets</a> {{unsubscribe_text}}</body></html>'
UTM = dict.fromkeys(["utmSource", "utmMedium", "utmCampaign", "utmContent"])
FILTER: Json = {
    "glue": None,
    "field": None,
    "object": None,
    "type": "Symfony\\Component\\Form\\Extension\\Core\\Type\\TextType",
    "operator": None,
    "display": None,
    "filter": None,
}
DYNAMIC: list[Json] = [
    {
        "tokenName": "Dynamic Content 1",
        "content": "Default Dynamic Content",
        "filters": [{"content": None, "filters": [FILTER]}],
    }
]


def content(email: SimulatedEmail) -> Json:
    """The e-mail as opens and clicks carry it (recorded: 97_hook_email_on_open_first)."""
    named = {"id": email.id, "name": email.name, "subject": email.subject, "language": "en", "category": None}
    senders = dict.fromkeys(["fromAddress", "fromName", "replyToAddress", "bccAddress", "useOwnerAsMailer"])
    return {
        **named,
        **senders,
        "utmTags": dict(UTM),
        "customHtml": email.html,
        "plainText": None,
        "template": "blank",
        "emailType": "list" if email.segments else "template",
        "publishUp": None,
        "publishDown": None,
        "publicPreview": False,
        "readCount": email.read,
        "sentCount": email.sent,
        "revision": 1,
        "assetAttachments": [],
        "variantStartDate": None,
        "variantSentCount": 0,
        "variantReadCount": 0,
        "variantParent": None,
        "variantChildren": [],
        "translationParent": None,
        "translationChildren": [],
        "unsubscribeForm": None,
        "dynamicContent": DYNAMIC,
        "lists": [],
        "headers": [],
    }


def full(email: SimulatedEmail) -> Json:
    stamp = {"isPublished": True, "dateAdded": iso(email.added), "dateModified": iso(email.added)}
    people = {"createdBy": None, "createdByUser": API_USER, "modifiedBy": None, "modifiedByUser": None}
    return {**stamp, **people, **content(email)}


def create(mautic: MauticData, wanted: Json) -> SimulatedEmail:
    email = SimulatedEmail(
        mautic.next_id("email"),
        str(wanted.get("name") or "Simulated mail"),
        str(wanted.get("subject") or "Hello"),
        mautic.now(),
        str(wanted.get("customHtml") or HTML),
        [int(number) for number in wanted.get("lists") or []],
    )
    mautic.emails[email.id] = email
    return email


def known(mautic: MauticData, number: int) -> SimulatedEmail:
    email = mautic.emails.get(number)
    if email is None:
        raise not_found()
    return email


def send(mautic: MauticData, email: SimulatedEmail, contact: SimulatedContact) -> SimulatedSending:
    with mautic.lock:
        sending = SimulatedSending(
            mautic.next_id("stat"),
            email.id,
            contact.id,
            str(contact.fields.get("email") or ""),
            mautic.now(),
            mautic.new_hash(),
        )
        mautic.sendings[sending.hash] = sending
        announced = event(mautic, "email_on_send", lambda: _sent(mautic, email, contact, sending))
        email.sent += 1
    mautic.publish(announced)
    return sending


def _sent(mautic: MauticData, email: SimulatedEmail, contact: SimulatedContact, sending: SimulatedSending) -> Json:
    links = {"{unsubscribe_url}": f"/email/unsubscribe/{sending.hash}", "{webview_url}": f"/email/view/{sending.hash}"}
    texts = {"{unsubscribe_text}": "Unsubscribe", "{webview_text}": "Having trouble reading this email?"}
    dynamic = {'{dynamiccontent="Dynamic Content 1"}': "Default Dynamic Content"}
    return {
        "email": full(email),
        "contact": shapes.flat(mautic, contact),
        "contentHash": f"{email.id:032x}",
        "idHash": sending.hash,
        "subject": email.subject,
        "source": ["api", 0],
        "headers": [],
        "content": email.html,
        "tokens": {**dynamic, **texts, **links, "{signature}": "", "{subject}": email.subject},
    }


def post_email(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    email = create(mautic, request.payload)
    return MauticResponse(201, {"email": full(email)}, {"Location": f"/api/emails/{email.id}"})


def list_emails(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    del request
    shown: Any = {str(email.id): full(email) for email in mautic.emails.values()}
    return MauticResponse(200, {"total": len(shown), "emails": shown or []})


def get_email(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    """Documented, not recorded: https://devdocs.mautic.org/en/latest/rest_api/emails.html"""
    del request
    return MauticResponse(200, {"email": full(known(mautic, number))})


def send_to_contact(mautic: MauticData, request: MauticRequest, number: int, contact_id: int) -> MauticResponse:
    """Sends to people who must not be contacted as well (recorded: 94_email_send_to_dnc_contact)."""
    del request
    email = known(mautic, number)
    contact = mautic.contacts.get(contact_id)
    if contact is None:
        raise not_found()
    send(mautic, email, contact)
    return MauticResponse(200, {"success": True})


def send_to_segments(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    """Respects do-not-contact; unpublished or empty segments simply send nothing."""
    del request
    email = known(mautic, number)
    people = [c for c in mautic.contacts.values() if c.segments & set(email.segments) and mailable(c)]
    for contact in people:
        send(mautic, email, contact)
    return MauticResponse(200, {"success": 1, "sentCount": len(people), "failedRecipients": 0})


def mailable(contact: SimulatedContact) -> bool:
    return bool(contact.fields.get("email")) and "email" not in contact.suppressions
