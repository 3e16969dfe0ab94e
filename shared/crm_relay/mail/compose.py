"""Makes of a rendered letter the mail as the provider takes it: sender, footer, headers and tags."""

import html as markup
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm_relay.consent.address import normalise
from crm_relay.mail.link_tokens import new_link_token
from crm_relay.mail.mail_text import formatted_address, with_colleague_footer, with_footer
from crm_relay.mail.models import Identity, Letter, Mail, id_of_send
from crm_relay.platform.errors import RejectedInput

# Line breaks end a header; the rest has no place in one.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
# As the provider counts them: what a click can be told of.
_LINK = re.compile(r"""<a\s(?:[^>]*?\s)?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_FOLLOWED = ("http://", "https://")


def compose(letter: Letter, identity: Identity, public_url: str, link_keys: Sequence[str] = ()) -> Mail:
    """One item of a batch with everything that it needs, and new tokens for unsubscribing and replying.

    `public_url` is where the function `unsubscribe` answers, without a slash at its end; `link_keys` sign its links.
    RejectedInput, which names the field and never its content, where the sender has no postal address
    or something could break out of a header.
    """
    _check(letter)
    links = _Links.of(public_url, link_keys)
    html, text = with_footer(letter.html, letter.text, links.url, identity.postal_address or "")
    return _composed(letter, identity, links, html, text)


def compose_for_colleague(letter: Letter, identity: Identity, public_url: str, link_keys: Sequence[str] = ()) -> Mail:
    """As `compose`, for mail within the organization: no postal address, and its link ends mails of its kind alone."""
    _check(letter)
    links = _Links.of(public_url, link_keys)
    html, text = with_colleague_footer(letter.html, letter.text, links.url)
    return _composed(letter, identity, links, html, text)


@dataclass(frozen=True)
class _Links:
    """Where a reader unsubscribes, and the token of a reply."""

    url: str
    token: str
    reply_token: str

    @classmethod
    def of(cls, public_url: str, link_keys: Sequence[str]) -> "_Links":
        # An address may be written in capital letters and read in small ones: hex survives that.
        token = new_link_token(link_keys)
        return cls(f"{public_url}/unsubscribe/{token}", token, secrets.token_hex(10))


def _composed(letter: Letter, identity: Identity, links: _Links, html: str, text: str) -> Mail:
    content = {"html": html, "text": text}
    payload: dict[str, Any] = {
        "from": formatted_address(identity.from_name, identity.from_address),
        "to": [_recipient(letter)],
        "subject": letter.subject.strip(),
        **{part: written for part, written in content.items() if written},
        # https://www.rfc-editor.org/rfc/rfc8058
        "headers": {"List-Unsubscribe": f"<{links.url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        "tags": _tags(letter),
    }
    if (reply_to := _reply_to(identity, links.reply_token)) is not None:
        payload["reply_to"] = reply_to
    return _mail(letter, identity, payload, unsubscribe_token=links.token, reply_token=links.reply_token)


def count_links(html: str) -> int:
    """How many different ones somebody could click."""
    found = ("".join(groups) for groups in _LINK.findall(html))
    return len({link for each in found if (link := markup.unescape(each).strip()).lower().startswith(_FOLLOWED)})


def _check(letter: Letter) -> None:
    if not letter.subject.strip():
        raise RejectedInput("subject: is empty")
    if _CONTROL.search(letter.subject):
        raise RejectedInput("subject: holds a line break or a control character")
    if not (letter.html.strip() or letter.text.strip()):
        raise RejectedInput("body: is empty")
    if any(_NOT_STORABLE.search(part) for part in (letter.subject, letter.html, letter.text)):
        raise RejectedInput("body: holds a character that cannot be stored")


def _recipient(letter: Letter) -> str:
    """The gate looks at the filed address, the provider at this one: they are the same person's."""
    if normalise(letter.recipient) != letter.address:
        raise RejectedInput("recipient: is filed under another address")
    return formatted_address(None, letter.recipient)


def _reply_to(identity: Identity, token: str) -> str | None:
    if identity.inbound_domain:
        return formatted_address(identity.from_name, f"reply+{token}@{identity.inbound_domain}")
    return formatted_address(None, identity.reply_to) if identity.reply_to else None


def _tags(letter: Letter) -> list[dict[str, str]]:
    """Of letters, digits, - and _. By `send` an event finds its mail even where the answer with the id was lost."""
    tags = {"send": id_of_send(letter.send_key), "campaign": letter.campaign_id}
    return [{"name": name, "value": str(value)} for name, value in tags.items() if value is not None]


def _mail(
    letter: Letter, identity: Identity, payload: dict[str, Any], *, unsubscribe_token: str, reply_token: str
) -> Mail:
    return Mail(
        send_key=letter.send_key,
        org_id=letter.org_id,
        recipient=letter.recipient,
        address=letter.address,
        subject=letter.subject.strip(),
        payload=payload,
        unsubscribe_token=unsubscribe_token,
        reply_token=reply_token,
        links=count_links(letter.html),
        identity_id=identity.id,
        topic=letter.topic,
        window=letter.window,
        entity_type=letter.entity_type,
        entity_id=letter.entity_id,
        campaign_id=letter.campaign_id,
        sequence_id=letter.sequence_id,
        contact_id=letter.contact_id,
        ab_variant=letter.ab_variant,
    )
