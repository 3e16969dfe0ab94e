"""What an answer of 400 or more leads to; the one place where Mailchimp's problems become errors."""

from collections.abc import Mapping

from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import Answer
from crm_relay.providers.connectors.failures import PermissionMissing


class MailchimpRefused(RejectedInput):
    """The request was refused as a whole, so surely nothing of it was carried out."""


def refusal(answer: Answer) -> Exception | None:
    """As AuthorizedClient asks for it; None for what the status says by itself."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    title = body.get("title")
    if answer.status == 403 and body:
        return PermissionMissing("Mailchimp: the account may not do this, or is disabled")
    if answer.status == 404:
        return PermissionMissing("Mailchimp: the audience is not there any more, or the account does not see it")
    if answer.status in {400, 413, 414, 422}:
        known = title if isinstance(title, str) and title in {"Invalid Resource", "JSON Parse Error"} else None
        return MailchimpRefused(f"Mailchimp refuses it: {known or f'status {answer.status}'}", status=answer.status)
    # "Over Capacity" and the like while the service is being moved.
    return ServerFailed("Mailchimp is busy") if answer.status == 409 else None
