"""A person with traces in every place that there is, another one beside, and the question what is left of either."""

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from crm_relay.consent.grant import grant_consent
from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.operations.erase import ErasureScope
from crm_relay.platform.database import Database
from crm_relay.sources.mautic import MAUTIC
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_stored
from local.aws.moto_server import client_of
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.customers.mautic_hooks import delivery, opened, subscription
from tests.support.operations.planted_runs import plant_runs
from tests.support.platform.rows import one, rows_of

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Planted:
    """Texts by which somebody would be recognised anywhere."""

    first: str
    last: str
    address: str
    second_address: str
    phone: str

    @property
    def texts(self) -> tuple[str, ...]:
        """In lower case."""
        return tuple(
            text.lower() for text in (self.first, self.last, self.address, self.second_address, self.phone.lstrip("+"))
        )


ADA = Planted("Adamantia", "Quillfeather", "Ada.Quill+1@Example.com", "aquill@xn--mnchen-3ya.example", "+61491570156")
BEA = Planted("Beatrix", "Ostrander", "nada.quill+1@example.com", "bea.two@example.com", "+61491570157")


@dataclass
class Places:
    """Everything that is outside Postgres and Mautic."""

    environment: dict[str, str]
    customers: dict[str, UUID] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client of the simulated AWS."""
        if service not in self._clients:
            self._clients[service] = client_of(self.environment["AWS_ENDPOINT_URL"], service)
        return self._clients[service]

    @property
    def deferred(self) -> Deferred:
        """As the functions see it."""
        return Deferred(self.environment["DEFERRED_QUEUE_URL"], self.environment["OVERSIZE_BUCKET"])

    @cached_property
    def queues(self) -> tuple[str, str]:
        """The deferred queue and its dead letters."""
        sqs, url = self.client("sqs"), self.deferred.queue_url
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
        name = json.loads(found["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2]
        return url, sqs.get_queue_url(QueueName=name)["QueueUrl"]

    @classmethod
    def fresh(cls, environment: Mapping[str, str]) -> "Places":
        """With a bucket and queues of its own."""
        places, name = cls(dict(environment)), f"erasure-{secrets.token_hex(6)}"
        sqs = places.client("sqs")
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 50})
        queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        places.client("s3").create_bucket(Bucket=name)
        places.environment |= {"DEFERRED_QUEUE_URL": queue, "OVERSIZE_BUCKET": name}
        return places

    def texts(self) -> Iterator[tuple[str, str]]:
        """(place, text) of every object and of every message; messages stay where they are."""
        for key in self._keys():
            body = self.client("s3").get_object(Bucket=self.deferred.bucket, Key=key)["Body"].read()
            yield "bucket", f"{key} {body.decode()}"
        for url in self.queues:
            sqs = self.client("sqs")
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
            for message in found:
                yield url, unpacked(message["Body"])

    def _keys(self) -> list[str]:
        found = self.client("s3").list_objects_v2(Bucket=self.deferred.bucket).get("Contents", [])
        return [each["Key"] for each in found]


def plant(harness: MauticHarness, places: Places, who: Planted) -> UUID:
    """Traces of one person everywhere; beside each of them stand traces of nobody else."""
    customer = harness.customer(who.address, segments=("vip",), first_name=who.first, last_name=who.last)
    places.customers[who.first] = customer
    sql = harness.sql
    sql("insert into customer_emails (customer_id, email) values (:id, :mail)", id=customer, mail=who.second_address)
    sql(
        "insert into customer_phones (customer_id, phone_e164, is_primary) values (:id, :phone, true)",
        id=customer,
        phone=who.phone,
    )
    sql(
        "insert into customer_addresses (customer_id, line_1, is_primary) values (:id, :line, true)",
        id=customer,
        line=f"{who.last} Street 1",
    )
    _plant_crm(harness, who)
    _plant_ledger(harness.db, who)
    _plant_mail(harness, who)
    harness.sync()
    _plant_deliveries(harness, places, who, customer)
    return customer


def plant_shared_deliveries(harness: MauticHarness, places: Places) -> None:
    """Deliveries in which both of them stand: kept, deferred, given up, dead and oversize."""
    both = [_event(who, harness.contact(places.customers[who.first]).id, "t") for who in (ADA, BEA)]
    body = delivery(email_on_open=both)
    apply_stored(harness.db, MAUTIC, Delivered("mautic", body, AT))
    message = json.dumps(Delivered("mautic", body, AT).message)
    for url in places.queues:
        places.client("sqs").send_message(QueueUrl=url, MessageBody=message)
    rows_of(
        harness.db,
        "insert into failed_tasks (source, task_key, payload) values ('mautic', 'both', :payload)",
        payload=base64.b64encode(message.encode()).decode(),
    )
    places.client("s3").put_object(Bucket=places.deferred.bucket, Key="oversize/mautic/both", Body=body)


def erasure(harness: MauticHarness, places: Places, **more: Any) -> ErasureScope:
    """What an erasure works on."""
    return ErasureScope(harness.run(**more), places.deferred)


def traces(harness: MauticHarness, places: Places, who: Planted) -> list[str]:
    """Where anything of that person can be read: every column of every table, every object, message and contact."""
    standing = [*_rows(harness.db), *places.texts(), *_mautic(harness)]
    return [f"{place}: {text}" for place, content in standing for text in _standing(who.texts, content)]


def snapshot(harness: MauticHarness, customer: UUID) -> dict[str, Any]:
    """All rows of one customer, and the contact, to be compared later."""
    with_customer = rows_of(
        harness.db, "select table_name from information_schema.columns where column_name = 'customer_id'"
    )
    tables = {row["table_name"] for row in with_customer} & set(_tables(harness.db)) - {"mautic_dirty"}
    rows = {
        table: sorted(
            str(row) for row in rows_of(harness.db, f"select * from {table} where customer_id = :id", id=customer)
        )
        for table in sorted(tables)
    }
    return {**rows, "contact": dict(harness.contact(customer).fields)}


def unpacked(text: str) -> str:
    """The text with whatever stands in it in base64, and with JSON's escapes resolved."""
    texts = [text, text.replace("\\/", "/")]
    for word in text.replace('"', " ").replace(",", " ").replace("\\", " ").split():
        if len(word) > 40:
            try:
                texts.append(unpacked(base64.b64decode(word.strip("()"), validate=True).decode()))
            except ValueError:
                continue
    return " ".join(texts)


def _standing(texts: Sequence[str], content: str) -> Iterator[str]:
    """Those that stand by themselves, and not as the end of somebody else's address."""
    lowered = content.lower()
    for text in texts:
        if text in lowered and re.search(rf"(?<![\w.+]){re.escape(text)}", lowered):
            yield text


def _rows(database: Database) -> Iterator[tuple[str, str]]:
    """(table, all its columns) of every row of every table."""
    each = (f"select '{table}' as name, each::text as content from {table} each" for table in _tables(database))
    for row in rows_of(database, " union all ".join(each)):
        yield row["name"], unpacked(row["content"])


def _tables(database: Database) -> list[str]:
    found = rows_of(
        database,
        """select table_name from information_schema.tables
           where table_schema = 'public' and table_type = 'BASE TABLE'""",
    )
    return [row["table_name"] for row in found]


def _mautic(harness: MauticHarness) -> Iterator[tuple[str, str]]:
    for contact in harness.simulator.contacts.values():
        yield f"contact {contact.id}", json.dumps(contact.fields, default=str)


def _event(who: Planted, contact_id: int, tracking: str) -> Any:
    event = opened(contact_id=contact_id, email=who.address, tracking=f"{who.phone[-1]}{tracking}")
    core = event["stat"]["lead"]["fields"]["core"]
    core["firstname"]["value"], core["lastname"]["value"], core["mobile"]["value"] = who.first, who.last, who.phone
    return event


def _plant_crm(harness: MauticHarness, who: Planted) -> None:
    contact = one(
        harness.db,
        """insert into contacts (email, phone, first_name, last_name) values (:mail, :phone, :first, :last)
           returning id""",
        mail=who.second_address,
        phone=who.phone,
        first=who.first,
        last=who.last,
    )["id"]
    prospect = one(
        harness.db,
        """insert into prospects (name, contact_name, contact_email, phone) values (:name, :name, :mail, :phone)
           returning id""",
        name=f"{who.first} {who.last}",
        mail=who.address,
        phone=who.phone,
    )["id"]
    plant_runs(harness.db, contact, who.first, who.second_address)
    harness.sql(
        """insert into activities (entity_type, entity_id, type, subject, description)
           values ('contact', :id, 'call', :name, :name)""",
        id=contact,
        name=who.last,
    )
    harness.sql(
        """insert into entity_history (entity_type, entity_id, change_type, old_value)
           values ('contact', :id, 'update', to_jsonb(:name::text))""",
        id=contact,
        name=who.last,
    )
    harness.sql(
        """insert into emails (prospect_id, to_email, from_email, subject, body)
           values (:id, :mail, 'us@x.example', :b, :b)""",
        id=prospect,
        mail=who.address,
        b=f"Dear {who.first}",
    )
    harness.sql(
        "insert into inbox_items (source, external_id, from_address, subject) values ('resend', :id, :mail, :name)",
        id=str(prospect),
        mail=who.address,
        name=who.last,
    )


def _plant_mail(harness: MauticHarness, who: Planted) -> None:
    mail = one(
        harness.db,
        """insert into email_sends (send_key, recipient_email, address, subject, status, payload, error_message)
           values (:key, :mail, lower(:mail), :name, 'queued', jsonb_build_object('to', :mail::text), :mail)
           returning id""",
        key=f"planted-{who.phone[-1]}",
        mail=who.address,
        name=f"Dear {who.first}",
    )["id"]
    harness.sql(
        """insert into email_logs (email_send_id, event_type, event_data, occurred_at, event_key)
           values (:id, 'clicked', jsonb_build_object('link', 'https://example.com/?to=' || :mail::text), now(),
               :key)""",
        id=mail,
        mail=who.address,
        key=f"planted-{who.phone[-1]}",
    )
    harness.sql(
        """insert into topic_opt_outs (org_id, address, topic, source, occurred_at)
           values (default_org_id(), lower(:mail), 'news', 'test', now())""",
        mail=who.address,
    )


def _plant_ledger(database: Database, who: Planted) -> None:
    record_events(
        database,
        [
            ConsentEvent(ConsentKind.OPT_OUT, who.second_address, "mautic", AT, source_event=f"e-{who.phone[-1]}"),
            ConsentEvent(ConsentKind.OPT_OUT, who.phone, "twilio", AT, channel=ConsentChannel.SMS),
        ],
    )
    grant_consent(database, who.address, evidence=f"signed by {who.first} {who.last}", granted_by="test", now=AT)


def _plant_deliveries(harness: MauticHarness, places: Places, who: Planted, customer: UUID) -> None:
    contact = harness.contact(customer).id
    unsubscribe = subscription(contact_id=contact, email=who.address, supabase_id=str(customer), mobile=who.phone)
    bodies = [
        delivery(email_on_open=[_event(who, contact, "own")]),
        delivery(lead_channel_subscription_changed=[unsubscribe]),
        # Nobody has this contact: it waits for its customer.
        delivery(email_on_open=[_event(who, 900_000 + contact, "waits")]),
    ]
    for body in bodies:
        apply_stored(harness.db, MAUTIC, Delivered("mautic", body, AT))
    rows_of(
        harness.db,
        """insert into webhook_inbox (source, dedupe_key, body, received_at)
           values ('mautic', :key, :body, now())""",
        key=f"unapplied-{who.phone[-1]}",
        body=bodies[0].decode(),
    )
    rows_of(
        harness.db,
        """insert into customer_email_engagement (event_type, occurred_at, event_key, address, raw_payload)
           values ('open', now(), :key, lower(:mail), jsonb_build_object('name', :name::text))""",
        key=f"waiting-{who.phone[-1]}",
        mail=who.address,
        name=who.last,
    )
    details = json.dumps([{"customer_id": str(customer), "reason": "Mautic refused it"}])
    rows_of(
        harness.db,
        "insert into mautic_sync_logs (run_started_at, error_details) values (now(), cast(:details as jsonb))",
        details=details,
    )
    key = f"oversize/mautic/{who.phone[-1]}"
    places.client("s3").put_object(Bucket=places.deferred.bucket, Key=key, Body=bodies[1])
