"""Which call goes where; a known path with a wrong method is a 404 like an unknown one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from local.simulators.mautic.contacts import batches, do_not_contact, fields, search, segments, single
from local.simulators.mautic.mail import emails, statistics, tracking
from local.simulators.mautic.state import MauticData
from local.simulators.mautic.webhooks import hooks
from local.simulators.mautic.wire import MauticApiError, MauticRequest, MauticResponse

Handler = Callable[..., MauticResponse]

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/api/contacts", search.list_contacts),
    ("POST", "/api/contacts/new", single.post_contact),
    ("POST", "/api/contacts/batch/new", batches.batch_new),
    ("PATCH", "/api/contacts/batch/edit", batches.batch_edit),
    ("PUT", "/api/contacts/batch/edit", batches.batch_edit),
    ("DELETE", "/api/contacts/batch/delete", batches.batch_delete),
    ("GET", "/api/contacts/{n}", single.get_contact),
    ("PATCH", "/api/contacts/{n}/edit", single.patch_contact),
    ("PUT", "/api/contacts/{n}/edit", single.put_contact),
    ("DELETE", "/api/contacts/{n}/delete", single.delete_contact),
    ("GET", "/api/contacts/{n}/segments", segments.segments_of_contact),
    ("POST", "/api/contacts/{n}/dnc/{w}/add", do_not_contact.add),
    ("POST", "/api/contacts/{n}/dnc/{w}/remove", do_not_contact.remove),
    ("GET", "/api/segments", segments.list_segments),
    ("POST", "/api/segments/new", segments.post_segment),
    ("GET", "/api/segments/{n}", segments.get_segment),
    ("PATCH", "/api/segments/{n}/edit", segments.edit_segment),
    ("PUT", "/api/segments/{n}/edit", segments.edit_segment),
    ("DELETE", "/api/segments/{n}/delete", segments.delete_segment),
    ("POST", "/api/segments/{n}/contact/{n}/add", segments.add_contact),
    ("POST", "/api/segments/{n}/contact/{n}/remove", segments.remove_contact),
    ("POST", "/api/segments/{n}/contacts/add", segments.add_contacts),
    ("GET", "/api/fields/contact", fields.list_fields),
    ("POST", "/api/fields/contact/new", fields.post_field),
    ("GET", "/api/fields/contact/{n}", fields.get_field),
    ("PATCH", "/api/fields/contact/{n}/edit", fields.patch_field),
    ("DELETE", "/api/fields/contact/{n}/delete", fields.delete_field),
    ("GET", "/api/hooks", hooks.list_hooks),
    ("GET", "/api/hooks/triggers", hooks.list_triggers),
    ("POST", "/api/hooks/new", hooks.post_hook),
    ("GET", "/api/hooks/{n}", hooks.get_hook),
    ("PATCH", "/api/hooks/{n}/edit", hooks.edit_hook),
    ("PUT", "/api/hooks/{n}/edit", hooks.edit_hook),
    ("DELETE", "/api/hooks/{n}/delete", hooks.delete_hook),
    ("GET", "/api/emails", emails.list_emails),
    ("GET", "/api/emails/{n}", emails.get_email),
    ("POST", "/api/emails/new", emails.post_email),
    ("POST", "/api/emails/{n}/send", emails.send_to_segments),
    ("POST", "/api/emails/{n}/contact/{n}/send", emails.send_to_contact),
    ("GET", "/api/stats/{w}", statistics.list_rows),
    ("GET", "/email/{w}.gif", tracking.get_pixel),
    ("GET", "/email/view/{w}", tracking.get_view),
    ("GET", "/email/unsubscribe/{w}", tracking.get_unsubscribe),
    ("GET", "/email/unsubscribe/{w}/{*}", tracking.get_unsubscribe),
    ("POST", "/email/unsubscribe/{w}", tracking.get_unsubscribe),
    ("GET", "/email/resubscribe/{w}", tracking.get_resubscribe),
    ("GET", "/r/{w}", tracking.get_link),
    ("GET", "/mtracking.gif", tracking.get_website_pixel),
    ("POST", "/mailer/callback", tracking.mailer_callback),
]


def _compiled(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    expression = re.escape(pattern).replace(r"\{n\}", r"(\d+)").replace(r"\{w\}", r"([\w-]+)")
    return re.compile(expression.replace(r"\{\*\}", ".*")), re.findall(r"\{([nw])\}", pattern)


TABLE = [(method, *_compiled(pattern), handler) for method, pattern, handler in ROUTES]


def call(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    for method, pattern, kinds, handler in TABLE:
        found = pattern.fullmatch(request.path)
        if found and method == request.method:
            pairs = zip(kinds, found.groups(), strict=True)
            parts: list[Any] = [int(part) if kind == "n" else part for kind, part in pairs]
            return handler(mautic, request, *parts)
    text = f"Requested URL not found: {request.path}"
    raise MauticApiError(404, [{"message": text, "code": 404, "type": None}])
