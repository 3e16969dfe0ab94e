"""`/api/sender-emails`: the accounts of the caller's workspace."""

from __future__ import annotations

from local.simulators.bison.api import shapes
from local.simulators.bison.context import BisonContext
from local.simulators.bison.state import SimulatedAccount
from local.simulators.bison.wire import BisonRequest, BisonResponse, invalid, missing, page, success


def list_all(context: BisonContext, request: BisonRequest) -> BisonResponse:
    """`search`, `tag_ids[]`, `excluded_tag_ids[]`, `without_tags` [V]; how they join is assumed."""
    before = context.bison.before_page
    asked = request.query.get("page", "1")
    if before is not None:
        before(int(asked) if asked.isdecimal() else 1)
    with context.bison.lock:
        found = [item for item in context.bison.accounts_of(request.workspace_id) if _wanted(item, request)]
        return page(request, found, shapes.account_in_api)


def _wanted(account: SimulatedAccount, request: BisonRequest) -> bool:
    tags = {str(tag.id) for tag in account.tags}
    wanted, excluded = request.many("tag_ids"), request.many("excluded_tag_ids")
    if request.query.get("without_tags") in {"1", "true"} and tags:
        return False
    text = request.query.get("search", "").casefold()
    found = text in f"{account.name} {account.email}".casefold()
    return found and (not wanted or bool(tags & set(wanted))) and not tags & set(excluded)


def known(context: BisonContext, request: BisonRequest, number: int) -> SimulatedAccount:
    """Another workspace's account is as unknown as one that never was."""
    account = context.bison.accounts.get(number)
    if account is None or account.workspace_id != request.workspace_id:
        raise missing("SenderEmail", number)
    return account


def get(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    with context.bison.lock:
        return BisonResponse(200, {"data": shapes.account_in_api(known(context, request, number))})


def patch(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    """Documented, not recorded: name, daily limit and signature can be changed."""
    account, sent = known(context, request, number), request.payload
    limit = sent.get("daily_limit", account.daily_limit)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise invalid({"daily_limit": "The daily limit field must be an integer."})
    with context.bison.lock:
        account.name = str(sent.get("name", account.name))
        account.daily_limit = limit
        account.signature = sent.get("email_signature", account.signature)
        account.modified = context.bison.now()
        return BisonResponse(200, {"data": shapes.account_in_api(account)})


def delete(context: BisonContext, request: BisonRequest, number: int) -> BisonResponse:
    account = known(context, request, number)
    with context.bison.lock:
        context.bison.accounts.pop(number, None)
    context.fire_for(account, "email_account_removed")
    return success("Sender email removed successfully.")
