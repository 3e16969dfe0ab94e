"""What a campaign will do in the coming days, from what is in the database, and how much of it on which day."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_relay.campaigns.decisions import first_due, opens_after, window_of
from crm_relay.campaigns.lifecycle.store import campaign_defined
from crm_relay.campaigns.load_campaign import read_campaign, sends_mail
from crm_relay.campaigns.models import Campaign, Capabilities, DueEnrollment
from crm_relay.campaigns.preview import store
from crm_relay.campaigns.preview.simulate import NO_SMS, Engagement, Entry, Limits, Simulation, nobody_reacts, simulate
from crm_relay.mail.models import Identity, Mode
from crm_relay.mail.modes.mail_mode import MailMode, counts_late_from, mail_mode
from crm_relay.mail.stops.stop_sending import stop_of
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import next_open

_AS_IF_BEGUN = {"draft", "paused", "active"}
_ANYBODY = Identity(None, "")
_SOMEWHERE = "somewhere"


@dataclass(frozen=True)
class DayLoad:
    """One day in the campaign's zone; `work`: tasks and calls for people, `no_step`: steps skipped or stopped."""

    day: date
    emails: int
    sms: int
    work: int
    no_step: int


@dataclass(frozen=True)
class HourLoad:
    """E-mails in the hour that begins then."""

    at: datetime
    emails: int


@dataclass(frozen=True)
class Forecast:
    """`status` is that of the campaign now; a draft is looked at as if begun at `since`, a paused one as if resumed.

    `recipients` are looked at; `ends` counts them by their status at `until`. `held`: steps moved to later, by reason.
    `warnings`: what keeps e-mails from leaving now; they are shown as if it were mended. `calendar` has the steps of
    those recipients who were asked for. `mail_mode`: in which mode mail leaves now; the calendar is that of `live`.
    """

    campaign_id: UUID
    name: str
    status: str
    zone: str
    since: datetime
    until: datetime
    recipients: int
    warnings: list[str]
    actions: dict[str, int]
    held: dict[str, int]
    ends: dict[str, int]
    days: list[DayLoad]
    hours: list[HourLoad]
    calendar: list[Entry]
    mail_mode: MailMode


def look_ahead(
    db: Database,
    campaign_id: UUID,
    now: datetime,
    *,
    days: int = 30,
    can: Capabilities = NO_SMS,
    send_mode: Mode = Mode.DRY_RUN,
    recipients: Sequence[UUID] | None = None,
    limit: int = 100_000,
    engagement: Engagement = nobody_reacts,
) -> Forecast:
    """Simulate everybody who is enrolled, from one moment of the database and without any effect.

    `recipients`: contacts whose calendar is wanted, None: all. RejectedInput: 404 for no such campaign, 409 where more
    than `limit` people are enrolled.
    """
    read = db.transact(lambda tx: _read(tx, campaign_id, now, limit, send_mode))
    found = simulate(
        read.campaign,
        read.people,
        now,
        days=days,
        can=can,
        limits=read.limits,
        engagement=engagement,
        mails_before=read.mails_before,
    )
    return _forecast(read, found, recipients)


@dataclass(frozen=True)
class _Read:
    campaign: Campaign
    status: str
    warnings: list[str]
    limits: Limits
    people: list[DueEnrollment]
    mails_before: dict[UUID, list[datetime]]
    mail_mode: MailMode


def _read(tx: Transaction, campaign_id: UUID, now: datetime, limit: int, send_mode: Mode) -> _Read:
    store.read_only(tx)
    row = campaign_defined(tx, campaign_id)
    if row["source"] != "native" or row["status"] not in _AS_IF_BEGUN:
        raise RejectedInput("only a native campaign that is draft, active or paused can be simulated", status=409)
    campaign = read_campaign(row["document"])
    warnings = _warnings(
        campaign, row["document"]["postal_address"], is_stopped=stop_of(tx, campaign.org_id) is not None
    )
    sender = replace(campaign.identity or _ANYBODY, paused=False, postal_address=_SOMEWHERE)
    campaign = replace(campaign, identity=sender)
    limits = Limits(**store.limits_of(tx, campaign.org_id))
    people = store.people_ahead(tx, campaign_id, limits.cap_emails, limits.cap_days, now, limit=limit + 1)
    if len(people) > limit:
        raise RejectedInput(f"more than {limit} people are enrolled: too many for one look", status=409)
    mails = {each["id"]: each.pop("mails_before") or [] for each in people}
    late_from = counts_late_from(tx, send_mode, now)
    ahead = [enrolled for each in people if (enrolled := _enrolled(each, campaign, now, late_from)) is not None]
    return _Read(campaign, row["status"], warnings, limits, ahead, mails, mail_mode(tx, send_mode))


def _warnings(campaign: Campaign, postal_address: str | None, *, is_stopped: bool) -> list[str]:
    """Whether there is EMAIL_FROM, only campaign_cron knows."""
    stopped = ["an operator stopped sending"] if is_stopped else []
    if not sends_mail(campaign):
        return stopped
    sender = campaign.identity
    conditions = {
        "the sender is paused": sender is not None and sender.paused,
        "no sender but EMAIL_FROM": sender is None,
        "the organization has no postal address": not (postal_address or "").strip(),
    }
    return stopped + [warning for warning, holds in conditions.items() if holds]


def _enrolled(row: Row, campaign: Campaign, now: datetime, late_from: datetime | None) -> DueEnrollment | None:
    """None: there is no step for them. What is on its way leaves before the next step is due."""
    leaves_at = row.pop("leaves_at")
    if leaves_at is not None and row["due_at"] is None:
        due = _after(campaign, row["current_step"], row["timezone"], leaves_at)
    else:
        due = row["due_at"] or (None if row["current_step"] else first_due(campaign, row["timezone"], now))
    if due is None:
        return None
    return DueEnrollment(**row | {"due_at": due if late_from is None else max(due, late_from)})


def _after(campaign: Campaign, number: int, timezone: str | None, leaves_at: datetime) -> datetime | None:
    window = window_of(campaign, timezone)
    following = campaign.step_after(number)
    return None if following is None else opens_after(window, next_open(window, leaves_at), following.delay)


def _forecast(read: _Read, found: Simulation, recipients: Sequence[UUID] | None) -> Forecast:
    zone = ZoneInfo(read.campaign.window.zone)
    wanted = None if recipients is None else set(recipients)
    return Forecast(
        read.campaign.id,
        read.campaign.name,
        read.status,
        read.campaign.window.zone,
        found.since,
        found.until,
        len(read.people),
        read.warnings,
        dict(sorted(Counter(entry.action for entry in found.calendar).items())),
        found.held,
        found.ends,
        _days(found.calendar, zone),
        _hours(found.calendar, zone),
        [entry for entry in found.calendar if wanted is None or entry.contact_id in wanted],
        read.mail_mode,
    )


def _days(calendar: Sequence[Entry], zone: ZoneInfo) -> list[DayLoad]:
    counts = Counter((entry.at.astimezone(zone).date(), entry.action) for entry in calendar)
    return [
        DayLoad(
            day,
            counts[day, "email"],
            counts[day, "sms"],
            counts[day, "work"],
            counts[day, "skip"] + counts[day, "stop"],
        )
        for day in sorted({day for day, _ in counts})
    ]


def _hours(calendar: Sequence[Entry], zone: ZoneInfo) -> list[HourLoad]:
    counts = Counter(
        entry.at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        for entry in calendar
        if entry.action == "email"
    )
    return [HourLoad(at, emails) for at, emails in sorted(counts.items())]
