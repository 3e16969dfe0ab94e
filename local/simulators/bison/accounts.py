"""`/api/sender-emails`: the accounts of the caller's workspace."""

from __future__ import annotations

from local.simulators.bison import shapes
from local.simulators.bison.state import SimulatedAccount
from local.simulators.bison.wire import BisonRequest, BisonResponse, invalid, missing, page, success
from local.simulators.bison.world import BisonStage


def list_all(world: BisonStage, request: BisonRequest) -> BisonResponse:
    """`search`, `tag_ids[]`, `excluded_tag_ids[]`, `without_tags` [V]; how they join is assumed."""
    before = world.bison.before_page
    asked = request.query.get("page", "1")
    if before is not None:
        before(int(asked) if asked.isdecimal() else 1)
    with world.bison.lock:
        found = [item for item in world.bison.accounts_of(request.workspace_id) if _wanted(item, request)]
        return page(request, found, shapes.account_in_api)


def _wanted(account: SimulatedAccount, request: BisonRequest) -> bool:
    tags = {str(tag.id) for tag in account.tags}
    wanted, excluded = request.many("tag_ids"), request.many("excluded_tag_ids")
    if request.query.get("without_tags") in {"1", "true"} and tags:
        return False
    text = request.query.get("search", "").casefold()
    found = text in f"{account.name} {account.email}".casefold()
    return found and (not wanted or bool(tags & set(wanted))) and not tags & set(excluded)


def known(world: BisonStage, request: BisonRequest, number: int) -> SimulatedAccount:
    """Another workspace's account is as unknown as one that never was."""
    account = world.bison.accounts.get(number)
    if account is None or account.workspace_id != request.workspace_id:
        raise missing("SenderEmail", number)
    return account


def get(world: BisonStage, request: BisonRequest, number: int) -> BisonResponse:
    with world.bison.lock:
        return BisonResponse(200, {"data": shapes.account_in_api(known(world, request, number))})


def patch(world: BisonStage, request: BisonRequest, number: int) -> BisonResponse:
    """Documented, not recorded: name, daily limit and signature can be changed."""
    account, sent = known(world, request, number), request.payload
    limit = sent.get("daily_limit", account.daily_limit)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise invalid({"daily_limit": "The daily limit field must be an integer."})
    with world.bison.lock:
        account.name = str(sent.get("name", account.name))
        account.daily_limit = limit
        account.signature = sent.get("email_signature", account.signature)
        account.modified = world.bison.now()
        return BisonResponse(200, {"data": shapes.account_in_api(account)})


def delete(world: BisonStage, request: BisonRequest, number: int) -> BisonResponse:
    account = known(world, request, number)
    with world.bison.lock:
        world.bison.accounts.pop(number, None)
    world.fire_for(account, "email_account_removed")
    return success("Sender email removed successfully.")
