"""Takes a batch of due steps in one transaction: claimed, decided, queued, recorded; finds whose row stops others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import store
from crm_relay.campaigns.engine.claim import EVERYBODY, ClaimScope, claim_due
from crm_relay.campaigns.engine.make_steps import EngineContext, StepsBeingMade
from crm_relay.campaigns.engine.outcomes import StepOutcome
from crm_relay.campaigns.engine.stop import stop_answered, take_turn
from crm_relay.campaigns.unsettled.settle_again import settle_again
from crm_relay.campaigns.watch import refused
from crm_relay.campaigns.watch.hold_campaigns import report_faults
from crm_relay.campaigns.watch.store import waits_for_its_turn
from crm_relay.mail.queue import queueing
from crm_relay.mail.texts.store import queueing_texts
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.rules.in_parts import in_parts

BATCH = 100
"""As many as one request takes."""

_LOOKED_AT_AGAIN = 20


@dataclass(frozen=True)
class StepsTaken:
    """What one transaction decided. `senders` counts the organizations that have mail in it: a request each.

    `answered`: sequences that a reply ended. `refused`: how many people or campaigns were set aside with it.
    """

    outcomes: tuple[StepOutcome, ...] = ()
    acts: Counter[str] = field(default_factory=Counter)
    senders: int = 0
    answered: int = 0
    refused: int = 0


def take_steps(db: Database, context: EngineContext, now: datetime, *, with_mail: bool) -> Sequence[StepsTaken]:
    """The next batch; several where a row that stops it had to be found. Without outcomes nothing is due.

    A campaign or a person whose rows the database or the engine cannot work on is set aside with an incident, and the
    others are taken. Raises what concerns no row.
    """
    taking = _Taking(db, context, now, with_mail)
    try:
        taking.take(EVERYBODY)
    except OF_ONE_ROW as error:
        taking.take_in_parts(error)
    return taking.taken


def look_again(db: Database, context: EngineContext, now: datetime) -> Sequence[StepsTaken]:
    """Take the steps of some who were set aside, each alone; who can go on by now does, and the incident closes.

    One statement where nobody is set aside. Chosen at random, so that everybody's turn comes.
    """
    taking = _Taking(db, context, now, with_mail=True)
    for each in refused.set_aside(db, limit=_LOOKED_AT_AGAIN):
        try:
            is_over = taking.look_at(each)
        except OF_ONE_ROW:
            continue
        if is_over:
            refused.goes_on(db, each, now)
    return taking.taken


@dataclass
class _Taking:
    db: Database
    context: EngineContext
    now: datetime
    with_mail: bool
    taken: list[StepsTaken] = field(default_factory=list)

    def take(self, scope: ClaimScope) -> None:
        self.taken.append(self.db.transact(lambda tx: self._take(tx, scope)))

    def look_at(self, one: refused.SetAside) -> bool:
        """False: it was not its turn, so nothing is known that was not known before."""
        match one.kind:
            case refused.CAMPAIGN:
                store.campaign_document(self.db, one.id)
                self.take(ClaimScope(campaigns=[one.id]))
            case refused.STEP:
                settled = settle_again(self.db, self.now, [one.id])
                self.take(ClaimScope(people=[one.id]))
                is_tried = settled > 0 or bool(self.taken[-1].outcomes)
                return is_tried or not waits_for_its_turn(self.db, one.id)
            case _:
                stop_answered(self.db, self.now, items=[one.id])
        return True

    def take_in_parts(self, error: Exception) -> None:
        """By campaigns, and of a campaign that stops the others by its people."""
        # A reply that cannot be followed stops everybody's claim.
        stop_answered(self.db, self.now)
        campaigns = store.due_campaigns(self.db, self.now)
        found = in_parts(campaigns, lambda part: self.take(ClaimScope(campaigns=part)))
        aside = [each for campaign, why in found.items() for each in self._refused_in(campaign, why)]
        if not aside and not any(each.outcomes for each in self.taken):
            raise error
        refused.set_aside_all(self.db, aside, self.now)
        self.taken.append(StepsTaken(refused=len(aside)))

    def _refused_in(self, campaign: UUID, why: Exception) -> list[refused.SetAside]:
        """The people of a campaign that cannot be taken, or the campaign where it is not theirs."""
        whole = [refused.SetAside(refused.CAMPAIGN, campaign, campaign, why)]
        try:
            store.campaign_document(self.db, campaign)
            people = store.due_people(self.db, campaign, self.now, limit=BATCH)
            found = in_parts(people, lambda part: self.take(ClaimScope(people=part)))
        except OF_ONE_ROW:
            return whole
        if len(found) == len(people) != 1:
            return whole
        return [refused.SetAside(refused.STEP, person, campaign, error) for person, error in found.items()]

    def _take(self, tx: Transaction, scope: ClaimScope) -> StepsTaken:
        answered = take_turn(tx, self.now)
        claimed = claim_due(
            tx,
            self.context.sender,
            self.now,
            limit=BATCH,
            with_mail=self.with_mail,
            scope=scope,
            allowed=self.context.policy.allowed,
        )
        made = StepsBeingMade(self.context, claimed, self.now)
        made.make()
        writes = [queueing(made.mails, self.now)] if made.mails else []
        writes += [queueing_texts(made.texts, self.now)] if made.texts else []
        report_faults(tx, made.faults, self.now)
        if made.outcomes:
            tx.finish([*writes, store.recording(made.outcomes, self.now)])
        return StepsTaken(tuple(made.outcomes), made.acts, len({mail.org_id for mail in made.mails}), answered)
