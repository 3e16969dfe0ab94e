"""What the page says."""

import html
from collections.abc import Iterator, Sequence
from datetime import datetime

from crm_relay.platform.http.http_edge import PageContent
from crm_relay.platform.http.public_page import CLOSE, public_page
from crm_relay.workflows.approvals.deciding.colleagues import ColleagueToAsk
from crm_relay.workflows.approvals.deciding.decisions import LONGEST_NOTES
from crm_relay.workflows.approvals.overview import ApprovalShown

_OVER = {
    "delegated": "It was handed on to somebody else, who has got a link of their own.",
    "escalated": "It was overdue, and is with somebody else now.",
}
_WAYS = {"link": "by the link", "page": "on the page", "api": "through the application", "cli": "at the command line"}


def asks(approval: ApprovalShown, colleagues: Sequence[ColleagueToAsk] | None = None) -> PageContent:
    """What is asked for while it waits; else what was decided, however often it is asked.

    `colleagues`: those who can take it over. None: a button asks for them, so that no scanner reads names.
    """
    if approval.status != "pending":
        return public_page(_headline(approval), f"{_about(approval)}{_outcome(approval)}{CLOSE}")
    message = f"<blockquote>{html.escape(approval.message)}</blockquote>" if approval.message else ""
    form = (
        '<form method="post">'
        f'<label>A note, if you like<textarea name="notes" maxlength="{LONGEST_NOTES}"></textarea></label>'
        '<button name="decision" value="approve">Approve</button>'
        '<button class="second" name="decision" value="reject">Reject</button></form>'
    )
    hint = "<p class=soft>Nothing happens until you press a button.</p>"
    return public_page("Your approval is needed", f"{_about(approval)}{message}{form}{_handing_on(colleagues)}{hint}")


def _handing_on(colleagues: Sequence[ColleagueToAsk] | None) -> str:
    if colleagues is None:
        return (
            '<form method="post">'
            '<button class="second" name="decision" value="delegate">Let a colleague decide</button></form>'
        )
    if not colleagues:
        return "<p class=soft>There is nobody who can take it over.</p>"
    options = "".join(f'<option value="{each.id}">{html.escape(_named(each))}</option>' for each in colleagues)
    return (
        '<form method="post"><label>Or let a colleague decide<select name="to" required>'
        f'<option value="">Choose a colleague</option>{options}</select></label>'
        '<button class="second" name="decision" value="delegate">Hand on</button></form>'
    )


def _named(colleague: ColleagueToAsk) -> str:
    role = f" ({colleague.role})" if colleague.role else ""
    return f"{colleague.name or 'without a name'}{role}{' – away' if colleague.away else ''}"


def refused(why: str) -> PageContent:
    """`why` is a sentence of ours."""
    sentence = f"{why[:1].upper()}{why[1:]}."
    return public_page("This cannot be decided here", f"<p>{html.escape(sentence)}</p>{CLOSE}")


def _headline(approval: ApprovalShown) -> str:
    return {"approved": "Approved", "rejected": "Rejected"}.get(approval.status, "Nothing to decide any more")


def _about(approval: ApprovalShown) -> str:
    lines = "".join(
        f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in _facts(approval) if value is not None
    )
    return f"<p><strong>{html.escape(approval.title or 'A request')}</strong></p><dl>{lines}</dl>"


def _facts(approval: ApprovalShown) -> Iterator[tuple[str, str | None]]:
    yield "Requested by", approval.requester_name or f"the workflow {approval.workflow_name}"
    yield "Asked of", approval.approver_name
    yield "In place of", None if approval.came_by == "self" else approval.stands_for_name
    yield "Requested", _moment(approval.requested_at)
    if approval.status == "pending":
        yield "Due", _moment(approval.due_at)
        yield "Open until", _moment(approval.expires_at)


def _outcome(approval: ApprovalShown) -> str:
    if approval.status in {"approved", "rejected"}:
        way = _WAYS.get(approval.decided_via or "", "")
        who = html.escape(approval.decided_by_name or "")
        when = _moment(approval.responded_at)
        return f"<p>{approval.status.capitalize()} by {who} {way} on {when}.</p>"
    return f"<p>{_OVER.get(approval.status, 'It was decided by others, or its time was up.')}</p>"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%d %B %Y, %H:%M} UTC"
