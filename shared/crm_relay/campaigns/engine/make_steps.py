"""Decides about a batch of due steps and writes their mail and texts, one by one; asks nobody."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from crm_relay.campaigns.content import letter_of, text_of
from crm_relay.campaigns.decisions import decide, window_of
from crm_relay.campaigns.engine.claim import Claimed
from crm_relay.campaigns.engine.outcomes import StepOutcome, failed, outcome_of
from crm_relay.campaigns.models import Act, Campaign, Capabilities, DueEnrollment, StepDecision
from crm_relay.campaigns.watch.faults import CONTENT, UNREADABLE, CampaignFault, problem_of_step
from crm_relay.mail.compose import compose
from crm_relay.mail.models import Identity, Mail, SendPolicy
from crm_relay.mail.texts.models import TextDraft
from crm_relay.platform.errors import OF_ONE_ROW, RejectedInput, describe_error
from crm_relay.providers.email import EmailProvider
from crm_relay.providers.text import TextProvider
from crm_relay.rules.send_windows import next_open

_AFTER_AN_ERROR = timedelta(minutes=15)
_UNTIL_LOOKED_AT_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class EngineContext:
    """What steps need besides the database.

    `sender`: EMAIL_FROM, where an organization has no identity. `texts` None: text messages are not configured.
    `public_url` is where the function `unsubscribe` answers; `link_keys` sign its links.
    """

    emails: EmailProvider
    policy: SendPolicy
    public_url: str
    sender: Identity | None = None
    texts: TextProvider | None = None
    link_keys: tuple[str, ...] = ()

    @property
    def can(self) -> Capabilities:
        """What the installation can do."""
        return Capabilities(sms=self.texts is not None)


@dataclass
class StepsBeingMade:
    """What is decided about those who were claimed, as far as it is decided."""

    context: EngineContext
    claimed: Claimed
    now: datetime
    outcomes: list[StepOutcome] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    texts: list[TextDraft] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    faults: list[CampaignFault] = field(default_factory=list)
    # Step -> what is wrong with it, no matter who it is for.
    problems: dict[UUID, str | None] = field(default_factory=dict)

    def make(self) -> None:
        """What is wrong with one of them is an error of that one; what is wrong with a campaign holds its people.

        Raises what nobody foresaw: whose it is has to be found.
        """
        for enrolled in self.claimed.enrolled:
            campaign = self.claimed.campaigns.get(enrolled.campaign_id)
            if campaign is None:
                problem = self.claimed.unreadable.get(enrolled.campaign_id, "unknown")
                self._hold(enrolled, CampaignFault(enrolled.campaign_id, UNREADABLE, problem))
                continue
            try:
                self._one(enrolled, campaign)
            except OF_ONE_ROW as error:
                self._fail(enrolled, campaign, error)

    def _fail(self, enrolled: DueEnrollment, campaign: Campaign, error: Exception) -> None:
        if (problem := self._problem_of_step(enrolled, campaign)) is not None:
            self._hold(enrolled, CampaignFault(campaign.id, CONTENT, problem))
            return
        if not isinstance(error, RejectedInput):
            raise error
        self.outcomes.append(failed(enrolled, describe_error(error), _again_at(campaign, enrolled, self.now)))

    def _problem_of_step(self, enrolled: DueEnrollment, campaign: Campaign) -> str | None:
        step = campaign.step_after(enrolled.current_step)
        if step is None:
            return None
        if step.id not in self.problems:
            self.problems[step.id] = problem_of_step(campaign, step)
        return self.problems[step.id]

    def _hold(self, enrolled: DueEnrollment, fault: CampaignFault) -> None:
        """It is the campaign's fault: three such errors must not pause everybody in it, one by one."""
        self.faults.append(fault)
        # A repair lets them go on at once; this is for one that nobody noticed.
        again_at = self.now + _UNTIL_LOOKED_AT_AGAIN
        decision = StepDecision(enrolled.id, Act.MOVE, reason=fault.held_for, next_at=again_at)
        self.outcomes.append(outcome_of(decision, enrolled, self.now))
        self.acts[decision.act.value] += 1

    def _one(self, enrolled: DueEnrollment, campaign: Campaign) -> None:
        decision = decide(enrolled, campaign, self.now, self.context.can)
        outcome = outcome_of(decision, enrolled, self.now)
        if decision.act is Act.EMAIL:
            self.mails.append(self._mail(decision, enrolled, campaign))
        elif decision.act is Act.SMS:
            self.texts.append(text_of(decision, enrolled, campaign))
        self.outcomes.append(outcome)
        self.acts[decision.act.value] += 1

    def _mail(self, decision: StepDecision, enrolled: DueEnrollment, campaign: Campaign) -> Mail:
        if campaign.identity is None:
            raise RejectedInput("the campaign has no sender")
        letter, context = letter_of(decision, enrolled, campaign), self.context
        return compose(letter, campaign.identity, context.public_url, context.link_keys)


def _again_at(campaign: Campaign | None, enrolled: DueEnrollment, now: datetime) -> datetime:
    """After an error; inside the window, where it is known."""
    later = now + _AFTER_AN_ERROR
    return later if campaign is None else next_open(window_of(campaign, enrolled.timezone), later)
