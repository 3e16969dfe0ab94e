"""What an owner does with accounts, and what befalls them."""

from __future__ import annotations

from typing import Literal

from local.simulators.bison.context import BisonContext
from local.simulators.bison.state import SimulatedAccount, SimulatedLead, SimulatedWorkspace, Tag
from local.simulators.bison.webhooks.events import EventOptions, EventSubject


class AccountActions(BisonContext):
    def add_accounts(
        self,
        workspace: SimulatedWorkspace,
        count: int,
        provider_tag: str | None = "Gmail",
        reseller_tag: str | None = "Zapmail",
        *,
        status: str = "Connected",
    ) -> list[SimulatedAccount]:
        """Many at once, without webhooks."""
        names = [name for name in (provider_tag, reseller_tag) if name]
        return [self._new_account(workspace, names, status) for _ in range(count)]

    def add_account(
        self,
        workspace: SimulatedWorkspace,
        email: str | None = None,
        tags: tuple[str, ...] = ("Gmail", "Zapmail"),
        *,
        status: str = "Connected",
        options: EventOptions | None = None,
    ) -> SimulatedAccount:
        """Fires email_account_added."""
        account = self._new_account(workspace, list(tags), status, email)
        self.fire_for(account, "email_account_added", options)
        return account

    def _new_account(
        self, workspace: SimulatedWorkspace, tags: list[str], status: str, email: str | None = None
    ) -> SimulatedAccount:
        now = self.bison.now()
        with self.bison.lock:
            number = self.bison.next_id("account")
            address = email or f"sender{number}@w{workspace.id}.example.com"
            account = SimulatedAccount(number, workspace.id, f"Sender {number}", address, now, now, status)
            account.tags = [self.bison.tag(workspace.id, name) for name in tags]
            self.bison.accounts[number] = account
        return account

    def delete_account(self, account: SimulatedAccount, *, options: EventOptions | None = None) -> None:
        """Gone from the list and from its address; fires email_account_removed."""
        with self.bison.lock:
            self.bison.accounts.pop(account.id, None)
        self.fire_for(account, "email_account_removed", options)

    def move_account(self, account: SimulatedAccount, to_workspace: SimulatedWorkspace) -> None:
        """The id and the counters stay (assumed); no webhook tells (assumed); tags keep their names."""
        with self.bison.lock:
            account.workspace_id = to_workspace.id
            account.tags = [self.bison.tag(to_workspace.id, tag.name, default=tag.default) for tag in account.tags]
            account.modified = self.bison.now()

    def disconnect(
        self,
        account: SimulatedAccount,
        *,
        healed: bool = False,
        status: str = "Not connected",
        options: EventOptions | None = None,
    ) -> None:
        """Fires email_account_disconnected; `healed`: the account is connected again by then, and the webhook says
        so [1]. Public sources spell the status "Not connected" and "Disconnected" [1].
        """
        with self.bison.lock:
            account.status = "Connected" if healed else status
            account.modified = self.bison.now()
        self.fire_for(account, "email_account_disconnected", options)

    def reconnect(self, account: SimulatedAccount, *, options: EventOptions | None = None) -> None:
        """Wipes the account's tags [1]. The webhook is rarely fired [1]: `Options(silent=True)` is the usual case."""
        with self.bison.lock:
            account.status, account.tags = "Connected", []
            account.modified = self.bison.now()
        self.fire_for(account, "email_account_reconnected", options)

    def disable_warmup(
        self,
        account: SimulatedAccount,
        why: Literal["receiving", "causing"] = "receiving",
        *,
        options: EventOptions | None = None,
    ) -> None:
        """Fires warmup_disabled_receiving_bounces or warmup_disabled_causing_bounces."""
        with self.bison.lock:
            account.warmup_enabled = False
            account.modified = self.bison.now()
        self.fire_for(account, f"warmup_disabled_{why}_bounces", options)

    def attach_tag(
        self, to: SimulatedAccount | SimulatedLead, name: str, *, options: EventOptions | None = None
    ) -> Tag:
        """Fires tag_attached; attaching again changes nothing and fires nothing (assumed)."""
        tag = self.bison.tag(to.workspace_id, name, default=False)
        if isinstance(to, SimulatedAccount):
            if tag in to.tags:
                return tag
            to.tags.append(tag)
        self._tagged(to, "tag_attached", tag, options)
        return tag

    def remove_tag(
        self, of: SimulatedAccount | SimulatedLead, name: str, *, options: EventOptions | None = None
    ) -> None:
        """Fires tag_removed."""
        tag = self.bison.tag(of.workspace_id, name)
        if isinstance(of, SimulatedAccount):
            of.tags = [kept for kept in of.tags if kept.name != name]
        self._tagged(of, "tag_removed", tag, options)

    def _tagged(
        self, thing: SimulatedAccount | SimulatedLead, event: str, tag: Tag, options: EventOptions | None
    ) -> None:
        # The class name as `taggable_type` is Laravel's custom (assumed).
        kind = "SenderEmail" if isinstance(thing, SimulatedAccount) else "Lead"
        data = {"taggable_id": thing.id, "taggable_type": f"App\\Models\\{kind}"}
        subject = EventSubject(tag={"tag_id": tag.id, "tag_name": tag.name, **data})
        self.fire(thing.workspace_id, event, subject, options)
