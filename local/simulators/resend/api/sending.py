"""`POST /emails` and `POST /emails/batch`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from local.simulators.resend.api.idempotency import Keys
from local.simulators.resend.api.validation import problem, recipients
from local.simulators.resend.state import ResendAccount, SimulatedMail, bare, new_id
from local.simulators.resend.webhooks.delivery import ResendWebhooks
from local.simulators.resend.webhooks.events import about_mail, suppressed
from local.simulators.resend.wire import Json, ResendApiError, ResendRequest, ResendResponse

_LARGEST_BATCH = 100
_SUPPRESSED_FOR = {"bounce": "previous_bounce", "complaint": "previous_complaint", "manual": "manual"}


class BatchSending:
    def __init__(self, account: ResendAccount, webhooks: ResendWebhooks) -> None:
        self.account = account
        self.webhooks = webhooks
        self.keys = Keys(account.clock.now)

    def one(self, request: ResendRequest) -> ResendResponse:
        """`{"id"}` [D]."""
        return self._once(request, self._one)

    def batch(self, request: ResendRequest) -> ResendResponse:
        """`{"data": [{"id"}]}`, and with `x-batch-validation: permissive` also `errors` [D0].

        https://resend.com/docs/dashboard/emails/batch-validation-modes said in 2025: "Permissive mode processes all
        emails, allowing for partial success and returns the following two arrays: data: array of objects for all
        created emails, each containing an email `id`. errors: array of objects for emails which could not be created
        due to validation errors", each with `index` ("0-indexed") and `message`; and "the `errors` array is only
        present in permissive batch validation mode". The example has two ids beside an error of index 2: `data` holds
        only the good ones. The pages of November 2026 name neither the header nor `errors`, and say "The request will
        fail and return an error if any email in your payload is invalid", while the SDKs still send the header: hence
        the switch `permissive_is_known`. That a permissive answer may have no id at all is assumed.
        """
        return self._once(request, self._batch)

    def _once(
        self, request: ResendRequest, work: Callable[[ResendRequest, str | None], ResendResponse]
    ) -> ResendResponse:
        key = request.given("Idempotency-Key")

        def worked_on() -> ResendResponse:
            if request.pause is not None:
                request.pause()
            return work(request, key)

        return self.keys.once(request.path, key, request.body, worked_on)

    def _one(self, request: ResendRequest, key: str | None) -> ResendResponse:
        if not isinstance(request.json, dict):
            raise ResendApiError(422, "validation_error", "The `request.body` field must be an `object`.")
        wrong = problem(request.json, in_batch=False)
        if wrong is not None:
            raise wrong
        return ResendResponse(200, {"id": self._take([request.json], key)[0].id})

    def _batch(self, request: ResendRequest, key: str | None) -> ResendResponse:
        mails = request.json
        if not isinstance(mails, list):
            # [I] resend-laravel #71.
            raise ResendApiError(422, "validation_error", "The `request.body` field must be an `array`.")
        if not 1 <= len(mails) <= _LARGEST_BATCH:
            raise ResendApiError(422, "validation_error", f"A batch holds 1 to {_LARGEST_BATCH} emails.")
        wrong = {index: found for index, mail in enumerate(mails) if (found := problem(mail, in_batch=True))}
        permissive = request.header("x-batch-validation") == "permissive" and self.account.permissive_is_known
        if wrong and not permissive:
            raise next(iter(wrong.values()))
        taken = self._take([mail for index, mail in enumerate(mails) if index not in wrong], key)
        body: Json = {"data": [{"id": mail.id} for mail in taken]}
        if permissive:
            body["errors"] = [{"index": index, "message": found.message} for index, found in wrong.items()]
        return ResendResponse(200, body)

    def _take(self, payloads: list[Json], key: str | None) -> list[SimulatedMail]:
        now = self.account.clock.now()
        self._check_domains(payloads)
        with self.account.lock:
            self._check_quotas(len(payloads), now)
            mails = [self._mail(payload, key, now) for payload in payloads]
            self.account.take(mails)
        for mail in mails:
            self.webhooks.publish(*self._first_event(mail))
        return mails

    def _mail(self, payload: Json, key: str | None, now: datetime) -> SimulatedMail:
        to = tuple(recipients(payload))
        origin = next(
            (self.account.suppressed[each] for each in map(bare, to) if each in self.account.suppressed), None
        )
        return SimulatedMail(new_id(), to, payload, key, now, _SUPPRESSED_FOR.get(origin or ""))

    def _first_event(self, mail: SimulatedMail) -> tuple[str, Json]:
        if mail.suppressed is not None:
            return about_mail(mail, "suppressed", suppressed=suppressed(mail, mail.suppressed))
        return about_mail(mail, "scheduled" if mail.payload.get("scheduled_at") else "sent")

    def _check_domains(self, payloads: list[Json]) -> None:
        """The whole request is refused, permissive or not (assumed)."""
        verified = self.account.verified_domains
        domains = {bare(payload["from"]).rpartition("@")[2] for payload in payloads}
        for domain in sorted(domains - (domains if verified is None else verified)):
            message = f"The `{domain}` domain is not verified. Please, add and verify your domain."
            raise ResendApiError(403, "validation_error", message)

    def _check_quotas(self, more: int, now: datetime) -> None:
        """The day is UTC's [D]; a batch that would go over it is refused whole (assumed)."""
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        quotas = (("daily", self.account.daily_quota, day), ("monthly", self.account.monthly_quota, day.replace(day=1)))
        for name, quota, start in quotas:
            if quota is not None and self.account.used(start) + more > quota:
                message = f"You have exceeded your {name} email sending quota."
                raise ResendApiError(429, f"{name}_quota_exceeded", message)
