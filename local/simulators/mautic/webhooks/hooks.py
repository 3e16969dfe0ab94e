"""Webhooks: their API, their delivery at once or by queue, and the rules that switch them off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from local.simulators.mautic.contact_fields import API_USER
from local.simulators.mautic.state import Event, MauticData, SimulatedHook
from local.simulators.mautic.wire import (
    Json,
    MauticApiError,
    MauticRequest,
    MauticResponse,
    generic_error,
    invalid,
    iso,
    not_found,
    php_json,
)

# recorded: 90_hooks_triggers. These fourteen exist; /api/hooks/new accepts any other name and never sends it.
TRIGGERS = {
    "mautic.company_post_save": ("Company Create/Update Event", "Triggered when a company is created/updated"),
    "mautic.company_post_delete": ("Company Deleted Event", "Triggered when a company is deleted"),
    "mautic.lead_channel_subscription_changed": (
        "Contact Channel Subscription Change Event",
        "Triggered when a contact's channel subscription status changes.",
    ),
    "mautic.lead_company_change": (
        "Contact Company Subscription Change Event",
        "Triggered when a commpany is added or removed to/from contact",
    ),
    "mautic.lead_post_delete": ("Contact Deleted Event", "Triggered when a contact is deleted."),
    "mautic.lead_post_save_new": ("Contact Identified Event", "Triggered when a contact is identified."),
    "mautic.lead_points_change": (
        "Contact Points Changed Event",
        "Triggered when a contact's points are modified.",
    ),
    "mautic.lead_list_change": (
        "Contact Segment Membership Change Event",
        "Triggered when a contact segment membership is changed",
    ),
    "mautic.lead_post_save_update": ("Contact Updated Event", "Triggered when a contact is updated."),
    "mautic.email_on_open": ("Email Open Event", "mautic.email.webhook.event.open_desc"),
    "mautic.email_on_send": ("Email Send Event", "mautic.email.webhook.event.send_desc"),
    "mautic.form_on_submit": ("Form Submit Event", "mautic.form.webhook.event.form.submit_desc"),
    "mautic.page_on_hit": ("Page Hit Event", "mautic.page.webhook.event.hit_desc"),
    "mautic.sms_on_send": ("Text Send Event", "mautic.sms.webhook.event.send_desc"),
}
QUEUE_LIMIT = 10
RECENTLY = timedelta(days=2)


class MauticWebhooks:
    """Sends events to every published hook that wants them."""

    def __init__(self, mautic: MauticData, origin: str = "http://127.0.0.1") -> None:
        self.mautic = mautic
        self.origin = origin

    def publish(self, events: list[Event]) -> None:
        """Immediate mode: one request per event, inside the call that caused it; a failure loses the event."""
        for event in events:
            for hook in list(self.mautic.hooks.values()):
                if not hook.published or event.type not in hook.triggers:
                    continue
                if self.mautic.queue_mode:
                    hook.queue.append(event)
                else:
                    self._judge(hook, self.send(hook, {event.type: [event.payload]}))

    def send(self, hook: SimulatedHook, body: Json) -> int | None:
        """The receiver's status, or None when no connection came about; redirects are not followed."""
        raw = php_json(body)
        target = urlsplit(hook.url)
        kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
        # The configured time-out is never applied: a receiver that takes 20 s holds the call for 20 s (recorded: 102).
        connection = kind(target.hostname or "", target.port, timeout=60)
        try:
            connection.putrequest("POST", target._replace(scheme="", netloc="").geturl() or "/", False, True)
            for name, value in self._headers(hook, raw).items():
                connection.putheader(name, value)
            connection.endheaders(raw)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _headers(self, hook: SimulatedHook, raw: bytes) -> dict[str, str]:
        return {
            "User-Agent": "GuzzleHttp/7",
            "Content-Type": "application/json",
            "X-Origin-Base-URL": self.origin,
            "Webhook-Signature": signature(raw, hook.secret),
            "Content-Length": str(len(raw)),
        }

    def _judge(self, hook: SimulatedHook, status: int | None) -> None:
        """No 2xx among the last 100 deliveries and not edited within two days: unpublished (recorded: 102)."""
        delivered = status is not None and 200 <= status < 300
        hook.log = [*hook.log[-99:], delivered]
        recently = hook.modified is not None and self.mautic.now() - hook.modified < RECENTLY
        if status == 410 or not (any(hook.log) or recently):
            hook.published = False
            if hook.created_by is None:
                # Nobody to notify: Mautic raises, and the call that caused the event answers 500 (recorded: 93_*).
                raise MauticApiError(500, [generic_error(500)])

    def process_queue(self) -> int:
        """`mautic:webhooks:process`: up to ten events a request, grouped by type; returns the requests sent."""
        sent = 0
        for hook in list(self.mautic.hooks.values()):
            while hook.queue and hook.published:
                ordered = hook.queue[::-1] if hook.order == "DESC" else hook.queue
                part = ordered[:QUEUE_LIMIT]
                status = self.send(hook, grouped(part))
                sent += 1
                if status is None:
                    break  # kept: only a connection failure keeps events
                hook.queue = [event for event in hook.queue if not any(event is gone for gone in part)]
                if not 200 <= status < 300:
                    break  # deleted all the same, and the rest waits for the next run
        return sent

    def send_test(self, hook: SimulatedHook, payload: Json) -> int | None:
        """The button in Mautic's hook form; its payload has objects where real events have lists (recorded: 99)."""
        return self.send(hook, {**payload, "timestamp": iso(self.mautic.now())})


def grouped(events: list[Event]) -> Json:
    body: dict[str, list[Any]] = {}
    for event in events:
        body.setdefault(event.type, []).append(event.payload)
    return body


def signature(raw: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def view(hook: SimulatedHook) -> Json:
    return {
        "isPublished": hook.published,
        "dateAdded": iso(hook.added),
        "dateModified": iso(hook.modified),
        "createdBy": hook.created_by,
        "createdByUser": API_USER,
        "modifiedBy": None,
        "modifiedByUser": API_USER if hook.modified else None,
        "id": hook.id,
        "name": hook.name,
        "description": hook.description,
        "webhookUrl": hook.url,
        "secret": hook.secret,
        "eventsOrderbyDir": hook.order,
        "category": None,
        "triggers": hook.triggers,
    }


def create(mautic: MauticData, wanted: Json, *, created_by: int | None = None) -> SimulatedHook:
    if not str(wanted.get("webhookUrl") or "").startswith(("http://", "https://")):
        raise invalid({"webhookUrl": "A valid URL is required."})
    hook = SimulatedHook(
        mautic.next_id("hook"),
        str(wanted.get("name") or ""),
        str(wanted["webhookUrl"]),
        str(wanted.get("secret") or secrets.token_hex(32)),
        list(wanted.get("triggers") or []),
        mautic.now(),
        wanted.get("description"),
        wanted.get("eventsOrderbyDir"),
        bool(wanted.get("isPublished", True)),
        created_by=created_by,
    )
    mautic.hooks[hook.id] = hook
    return hook


def known(mautic: MauticData, number: int) -> SimulatedHook:
    hook = mautic.hooks.get(number)
    if hook is None:
        raise not_found()
    return hook


def post_hook(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    hook = create(mautic, request.payload)
    return MauticResponse(201, {"hook": view(hook)}, {"Location": f"/api/hooks/{hook.id}"})


def list_hooks(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    start, limit = int(request.query.get("start") or 0), int(request.query.get("limit") or 30)
    found = sorted(mautic.hooks.values(), key=lambda hook: (hook.name.casefold(), hook.id))
    page: Any = {str(hook.id): view(hook) for hook in found[start : start + limit]}
    return MauticResponse(200, {"total": len(found), "hooks": page or []})


def get_hook(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    del request
    return MauticResponse(200, {"hook": view(known(mautic, number))})


# src, not recorded: WebhookApiController::preSaveEntity and FormModel::setTimestamps of Mautic 5.
# https://github.com/mautic/mautic/blob/5.1.1/app/bundles/WebhookBundle/Controller/Api/WebhookApiController.php
def edit_hook(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    """PATCH only adds events; PUT sets them and blanks what is not sent; without a change it is not modified."""
    hook, wanted = known(mautic, number), dict(request.payload)
    before = view(hook)
    if request.method == "PUT":
        blank = {"name": "", "webhookUrl": "", "description": None, "eventsOrderbyDir": None, "isPublished": False}
        wanted = blank | wanted | {"triggers": wanted.get("triggers") or []}
        hook.triggers = []
    if not str(wanted.get("webhookUrl", hook.url)).startswith(("http://", "https://")):
        raise invalid({"webhookUrl": "A valid URL is required."})
    hook.name = str(wanted.get("name", hook.name))
    hook.url = str(wanted.get("webhookUrl", hook.url))
    hook.description = wanted.get("description", hook.description)
    hook.secret = str(wanted.get("secret", hook.secret))
    hook.order = wanted.get("eventsOrderbyDir", hook.order)
    hook.triggers = [*hook.triggers, *(name for name in wanted.get("triggers", ()) if name not in hook.triggers)]
    hook.published = bool(wanted.get("isPublished", hook.published))
    if view(hook) != before:
        # An edited hook survives failures for two days.
        hook.modified = mautic.now()
    return MauticResponse(200, {"hook": view(hook)})


def delete_hook(mautic: MauticData, request: MauticRequest, number: int) -> MauticResponse:
    del request
    hook = known(mautic, number)
    mautic.hooks.pop(number)
    return MauticResponse(200, {"hook": {**view(hook), "id": None}})


def list_triggers(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    del mautic, request
    shown = {name: {"label": label, "description": text} for name, (label, text) in TRIGGERS.items()}
    return MauticResponse(200, {"triggers": shown})
