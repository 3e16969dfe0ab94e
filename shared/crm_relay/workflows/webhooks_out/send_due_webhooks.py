"""Sends the webhooks that are due, several at once and outside any transaction, and records what became of each."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from crm_relay.incidents.record import close_incidents
from crm_relay.platform.clock import Clock, Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import OF_ONE_ROW, TransientError
from crm_relay.platform.http.guarded.exchange import OutgoingRequest
from crm_relay.workflows.webhooks_out import store
from crm_relay.workflows.webhooks_out.decisions import EXPIRED, decide_answer, decide_before, decide_error
from crm_relay.workflows.webhooks_out.models import ClaimedWebhook, WebhookClient, WebhookOutcome, WebhookReport
from crm_relay.workflows.webhooks_out.record_outcomes import SECRET, WebhookAttempt, record_outcomes
from crm_relay.workflows.webhooks_out.references import WorkflowSecrets, filled_headers
from crm_relay.workflows.webhooks_out.signing import signed_headers

AT_ONCE, PER_HOST = 16, 4
"""Requests of one worker at once, and of all workers to one host of an organization."""

SECONDS = 15.0
"""What a request and its record may take: less than its lease."""

_EXPIRED_AT_ONCE = 200
# Answers that come together are recorded together; a slow one holds nobody up for longer.
_GATHERED_FOR = 0.02


def send_due_webhooks(
    db: Database, client: WebhookClient, secrets: WorkflowSecrets, clock: Clock, deadline: Deadline
) -> WebhookReport:
    """Until nothing is due or the time is up. Any number may run side by side, and be killed anywhere.

    On the wire a webhook arrives at least once, always under the same id; its outcome is recorded once.
    """
    report = WebhookReport()
    now = clock()
    is_due, has_silent_host = store.look(db, now)
    if not is_due and not has_silent_host:
        report.is_idle = True
        return report
    close_incidents(db, SECRET, sorted(secrets.values), now)
    if is_due:
        report.cancelled = store.cancel_of_cancelled_runs(db, now)
    if has_silent_host:
        expired = store.claim_expired(db, now, limit=_EXPIRED_AT_ONCE)
        record_outcomes(db, [WebhookAttempt(each, EXPIRED) for each in expired], now, report)
    if is_due:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as threads:
            _Outbox(db, client, secrets, clock, deadline, threads, report).run()
    return report


@dataclass
class _Outbox:
    db: Database
    client: WebhookClient
    secrets: WorkflowSecrets
    clock: Clock
    deadline: Deadline
    threads: ThreadPoolExecutor
    report: WebhookReport
    under_way: dict[Future[WebhookOutcome], ClaimedWebhook] = field(default_factory=dict)

    def run(self) -> None:
        """Free places are filled while others are still waiting for their answer."""
        while True:
            claimed = self._claim()
            for each in claimed:
                self.under_way[self.threads.submit(self._send, each)] = each
            if not self.under_way:
                return
            wait(self.under_way, return_when=FIRST_COMPLETED)
            done, _ = wait(self.under_way, timeout=_GATHERED_FOR)
            attempts = [WebhookAttempt(self.under_way.pop(each), each.result()) for each in done]
            record_outcomes(self.db, attempts, self.clock(), self.report)

    def _claim(self) -> Sequence[ClaimedWebhook]:
        room = AT_ONCE - len(self.under_way)
        if not self.deadline.allows(SECONDS):
            self.report.is_finished = False
            return ()
        return store.claim(self.db, self.clock(), limit=room, per_host=PER_HOST) if room else ()

    def _send(self, claimed: ClaimedWebhook) -> WebhookOutcome:
        """In a thread. What one row makes fail is that row's outcome."""
        if (over := decide_before(claimed.attempts)) is not None:
            return over
        now = self.clock()
        try:
            answer = self.client.send(request_of(claimed, self.secrets, now))
            return decide_answer(answer, claimed.attempts, now)
        except (TransientError, *OF_ONE_ROW) as error:
            return decide_error(error, claimed.attempts)


def request_of(claimed: ClaimedWebhook, secrets: WorkflowSecrets, now: datetime) -> OutgoingRequest:
    """With secrets in place of references, and signed where the step names a secret.

    Raises SecretMissing, SecretWithheld, and RejectedInput for headers that cannot be sent.
    """
    body = claimed.body.encode()
    secrets = secrets.for_webhook(urlsplit(claimed.url).hostname or "", claimed.org_id)
    own = filled_headers(claimed.headers, secrets)
    signing = secrets.all(claimed.secret_ref) if claimed.secret_ref else ()
    defaults = {"Content-Type": "application/json", "User-Agent": "CRM-Relay-Webhooks/1"}
    given = {name.lower() for name in own}
    headers = {name: text for name, text in defaults.items() if name.lower() not in given} | own
    return OutgoingRequest(claimed.method, claimed.url, headers | signed_headers(claimed.id, body, signing, now), body)
