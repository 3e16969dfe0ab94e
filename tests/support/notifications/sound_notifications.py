"""What always holds of notifications, after whatever happened."""

import re
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from crm_relay.platform.database import Row
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone

SETTLED = frozenset({"sent", "dry_run", "skipped", "failed", "unknown"})
_MAY_HAVE_LEFT = frozenset({"unknown", "queued", "sending"})
_NUMBERED = re.compile(r"\bN(\d+)\b")


def assert_sound(crew: NotificationHarness, phone: Phone) -> None:
    """Each notification on each channel is exactly one of sent, in one open digest, held, or refused with a reason.

    Nothing arrived twice, of a group neither, and the unread count is that of the rows and of the last broadcast.
    """
    deliveries = crew.rows(
        """select delivery.*, notification.title, notification.group_key, notification.channels as asked, person.phone,
                  coalesce(digest.send_id, delivery.send_id) as ledger_id, message.status as text_status,
                  digest.state as digest_state, digest.user_id as digest_user, digest.channel as digest_channel,
                  (select webhook_url from notification_slack_webhooks webhook
                   where webhook.user_id = person.id or webhook.user_id is null
                   order by webhook.user_id nulls last limit 1) as webhook_url
           from notification_deliveries delivery
           join notifications notification on notification.id = delivery.notification_id
           join user_profiles person on person.id = delivery.user_id
           left join notification_digests digest on digest.id = delivery.digest_id
           left join sms_sends message on message.send_key = 'notification/' || delivery.id || '/' || delivery.round"""
    )
    _each_channel_has_one_state(crew, deliveries)
    for row in deliveries:
        _assert_state(row)
    _assert_mails(crew, deliveries)
    _assert_texts(phone, deliveries)
    _assert_posts(crew, deliveries)
    _assert_unread(crew)


def _each_channel_has_one_state(crew: NotificationHarness, deliveries: Iterable[Row]) -> None:
    by_notification: dict[UUID, Counter[str]] = {}
    for row in deliveries:
        by_notification.setdefault(row["notification_id"], Counter())[row["channel"]] += 1
    for row in crew.rows("select id, channels from notifications"):
        assert set(by_notification[row["id"]]) == set(row["channels"]), row
    assert all(count == 1 for counts in by_notification.values() for count in counts.values())


def _assert_state(row: Row) -> None:
    state = row["state"]
    if state == "waiting":
        assert row["not_before"] is not None
        assert row["digest_id"] is None
    elif state == "digest":
        assert (row["digest_state"], row["digest_user"], row["digest_channel"]) == (
            "open",
            row["user_id"],
            row["channel"],
        )
    elif state in {"skipped", "failed", "unknown"}:
        assert row["reason"] is not None, row
    if state in SETTLED:
        assert row["content"] is None, row


def _assert_mails(crew: NotificationHarness, deliveries: list[Row]) -> None:
    """Each mail and each title arrived once, and as often as its delivery says."""
    ledger = {str(row["id"]): row for row in crew.rows("select id, entity_type, entity_id from email_sends")}
    by_id = {row["id"]: row for row in deliveries}
    arrived: Counter[tuple[UUID, str]] = Counter()
    sends = Counter(mail.tags["send"] for mail in crew.sim.mails)
    assert all(count == 1 for count in sends.values()), "a mail was sent twice"
    users = {row["email"]: row["id"] for row in crew.rows("select id, email from user_profiles")}
    for mail in crew.sim.mails:
        entry, user = ledger[mail.tags["send"]], users[mail.recipients[0]]
        if entry["entity_type"] == "notification_delivery":
            assert by_id[entry["entity_id"]]["user_id"] == user
            arrived.update((user, title) for title in {*_NUMBERED.findall(str(mail.payload["subject"]))})
        else:
            lines = [line for line in str(mail.payload["text"]).splitlines() if line.startswith("- ")]
            arrived.update((user, title) for line in lines for title in _NUMBERED.findall(line))
    assert _twice(arrived) == [], "an event was mailed twice"
    for row in deliveries:
        if row["channel"] != "email":
            continue
        if row["state"] == "sent":
            assert sends[str(row["ledger_id"])] == 1, row
        _assert_count(row, arrived[row["user_id"], _number(row)])


def _assert_texts(phone: Phone, deliveries: list[Row]) -> None:
    arrived = Counter((number, title) for number, body in phone.sent for title in _NUMBERED.findall(body))
    assert _twice(arrived) == [], "a text message was sent twice"
    for row in deliveries:
        if row["channel"] == "sms":
            assert row["state"] != "sent" or row["text_status"] == "sent", row
            _assert_count(row, arrived[row["phone"], _number(row)])


def _assert_posts(crew: NotificationHarness, deliveries: list[Row]) -> None:
    """A channel of Slack shows an event once, whoever it concerns."""
    arrived: Counter[tuple[str, str]] = Counter()
    for address, text, _ in crew.posts:
        # Every notification of a message is a link; the heading of a digest is none.
        links = [line for line in text.splitlines() if line.startswith("*<")]
        arrived.update((address, title) for line in links for title in _NUMBERED.findall(line))
    assert _twice(arrived) == [], "a channel shows an event twice"
    for row in deliveries:
        # What others share a channel with shows the event for all of them.
        if row["channel"] == "slack" and (row["state"] in {"sent", "queued", "unknown", "sending"} or _is_own(row)):
            _assert_count(row, arrived[row["webhook_url"], _number(row)], is_shared=not _is_own(row))


def _is_own(row: Row) -> bool:
    return not str(row["webhook_url"]).endswith("/all")


def _assert_count(row: Row, count: int, *, is_shared: bool = False) -> None:
    """How often the newest text of a delivery arrived; of a group it may be newer than what left."""
    if row["state"] == "sent":
        assert count == 1 or row["group_key"] is not None, row
    elif row["state"] in _MAY_HAVE_LEFT or is_shared:
        assert count <= 1, row
    else:
        assert count == 0 or row["group_key"] is not None, row


def _number(row: Row) -> str:
    return str(row["title"]).removeprefix("N")


def _twice(arrived: Counter[tuple[UUID, str]] | Counter[tuple[str, str]]) -> list[object]:
    return [key for key, count in arrived.items() if count > 1]


def _assert_unread(crew: NotificationHarness) -> None:
    """The count that the application shows is the number of its rows, and what the last message of real time says."""
    rows = crew.rows(
        """select person.id as user_id, count(notification.id)::integer as shown, (
               select (message.payload ->> 'unread')::integer from realtime.messages message
               where message.topic = 'user:' || person.id order by message.id desc limit 1
           ) as broadcast
           from user_profiles person
           left join notifications notification on notification.user_id = person.id and notification.read_at is null
               and notification.archived_at is null
               and (notification.expires_at is null or notification.expires_at > now())
           group by person.id"""
    )
    for row in rows:
        assert crew.unread_count(row["user_id"]) == row["shown"]
        assert row["broadcast"] in {None, row["shown"]}, row
        assert row["broadcast"] is not None or row["shown"] == 0, "a notification was not announced"
