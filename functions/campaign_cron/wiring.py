"""The outside world of campaign_cron, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from campaign_cron.settings import Settings
from crm_relay.campaigns.ab.judge_variants import judge_variants
from crm_relay.campaigns.engine.run_due_steps import EngineContext, EngineReport, run_due_steps
from crm_relay.incidents.channels import channels
from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.mail.feedback.read_inbound import read_inbound
from crm_relay.mail.senders.watch_senders import watch_senders
from crm_relay.platform.clock import Clock, Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from crm_relay.providers.resend.answers import Answered
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.twilio.client import open_twilio

_RESERVE_SECONDS = 10.0
_SENDERS_EVERY = 10
"""Minutes: a look goes through the mail of a week."""
_RESEND_TIMEOUT = (5.0, 20.0)
_TWILIO_TIMEOUT = (5.0, 15.0)


class NoPost:
    """Stands where no key is configured: dry-run asks nobody."""

    def send_batch(self, payload: bytes, key: str) -> Answered:  # noqa: ARG002 - the client's signature
        """Never called in dry-run."""
        raise FatalError("RESEND_API_KEY is not set")


@dataclass(frozen=True)
class CampaignCron:
    """What outlives one invocation."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Opened on first use."""
        return Database(self.settings.database_url, ca_file=self.settings.database_ca_file, timeout=65.0)

    @cached_property
    def resend(self) -> Resend | None:
        """None without a key."""
        key = self.settings.resend_api_key
        http = HttpClient(self.settings.resend_api_url, timeout=_RESEND_TIMEOUT, repeats=0)
        return None if key is None else Resend(http, key)

    @cached_property
    def world(self) -> EngineContext:
        """What the engine needs."""
        settings = self.settings
        texts = open_twilio(
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            settings.twilio_from,
            http=HttpClient(settings.twilio_api_url, timeout=_TWILIO_TIMEOUT, repeats=0),
        )
        public_url = settings.public_url.rstrip("/")
        return EngineContext(self.resend or NoPost(), settings.policy, public_url, settings.sender, texts)

    @cached_property
    def channels(self) -> list[Any]:
        """Where incidents are told."""
        return channels(self.settings.alert_slack_webhook_url, self.settings.alert_topic_arn)

    def run(self, clock: Clock, deadline: Deadline, *, judges: bool) -> dict[str, Any]:
        """One round: replies first, so that nobody is written to who has answered, and senders in bad health."""
        if self.resend is not None:
            read_inbound(self.database, self.resend, clock=clock, deadline=deadline)
        if clock().minute % _SENDERS_EVERY == 0:
            watch_senders(self.database, clock())
        done = run_due_steps(self.database, self.world, clock, deadline)
        judged = judge_variants(self.database, clock()) if judges else []
        told = send_alerts(self.database, self.channels, clock(), deadline=deadline)
        return _summary(done) | {
            "tests_judged": len(judged),
            "incidents_told": told.sent,
            "incidents_waiting": told.failed,
        }


here = PerEnvironment(lambda: CampaignCron(read_settings(Settings)))


def run(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """What is due, until the time is up."""
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = here().run(utc_now, deadline, judges=event.get("judge") is True or _is_hourly(utc_now()))
    logger().info("campaigns", extra=done)
    return done


def _is_hourly(now: datetime) -> bool:
    return now.minute == 0


def _summary(done: EngineReport) -> dict[str, Any]:
    mail = done.mail
    return {
        "success": True,
        "finished": done.is_finished,
        "steps": dict(done.acts),
        "errors": done.errors,
        "answered": done.answered,
        "requests": mail.requests,
        "sent": mail.sent,
        "dry_run": mail.dry_run,
        "refused": mail.refused,
        "failed": mail.failed,
        "unknown": mail.unknown,
        "held": mail.held,
        "postponed": mail.postponed,
        "sending_stopped": mail.stopped,
        "texts_sent": done.texts.sent,
    }
