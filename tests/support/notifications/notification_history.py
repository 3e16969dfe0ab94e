"""A random history of notifications: what is asked for, what people change, and what goes wrong meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

from crm_relay.notifications.models import Channel, EntityRef, NotificationRequest, Priority, Recipients
from crm_relay.notifications.tidy_up import mend_left_behind
from crm_relay.notifications.withdraw import withdraw
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, NoAnswer, NotConnected, RateLimited, TransientError
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template
from tests.support.notifications.readers import STAND_IN
from tests.support.notifications.sound_notifications import assert_sound
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

CATEGORIES = {
    "task_assigned": "assignment",
    "deal_closed_won": "deal",
    "approval_required": "workflow",
    "text": "assignment",
}
CHANNELS = (Channel.IN_APP, Channel.EMAIL, Channel.SLACK, Channel.SMS, Channel.PUSH)
FREQUENCIES = ("immediate", "hourly_digest", "daily_digest", "weekly_digest", "never")
FAULTS = ("500_before", "500_after", "cut_before", "cut_after", "garbled_after", "502_page", "429")
PEOPLE = 6
TEXT_TROUBLES = ("later", "refused", "unclear_sent", "unclear_lost")
SHARED = "https://hooks.slack.com/services/all"


@dataclass
class RandomHistory:
    """Every notification has a title of its own, N1, N2 and so on, by which it is found wherever it arrives."""

    crew: NotificationHarness
    random: Random
    people: list[UUID] = field(default_factory=list)
    entities: list[EntityRef] = field(default_factory=list)
    past: list[NotificationRequest] = field(default_factory=list)
    numbers: int = 0
    phone: Phone = field(default_factory=Phone)

    def begin(self) -> None:
        """Some have a channel of Slack of their own, the others share one; real time and text messages are there."""
        self.crew.db.run_script(STAND_IN)
        self.crew.texts = self.phone
        plant_text_template(self.crew)
        self.people = [self.crew.person(f"p{number}", phone=f"+1555010000{number}") for number in range(PEOPLE)]
        self.crew.webhook(SHARED)
        wanted = [channel.value for channel in CHANNELS]
        for person in self.people:
            for category in sorted(set(CATEGORIES.values())):
                self.crew.prefer(person, category, channels=wanted)
        for person in self.people[:2]:
            self.crew.webhook(f"https://hooks.slack.com/services/{person.hex}", person)

    def live(self, steps: int) -> None:
        """One thing after another; what must always hold is looked at behind each."""
        actions: list[tuple[Callable[[], object], int]] = [
            (self.ask, 8),
            (self.ask_again, 2),
            (self.ask_and_die, 3),
            (self.prefer, 3),
            (self.read, 3),
            (self.decide, 1),
            (self.jump, 5),
            (self.work, 4),
            (self.work_and_die, 4),
            (self.work_twice, 3),
            (self.trouble, 2),
        ]
        verbs, weights = zip(*actions, strict=True)
        for verb in self.random.choices(verbs, weights, k=steps):
            verb()
            assert_sound(self.crew, self.phone)

    def end(self) -> None:
        """Nothing goes wrong, nobody is quiet, and a fortnight passes: whatever waits has left or was dropped."""
        self.crew.slack_troubles.clear()
        self.phone.troubles.clear()
        self.crew.rows("update notification_preferences set dnd_enabled = false, quiet_hours_enabled = false")
        for _ in range(15 * 8):
            self.crew.wait(hours=3)
            self.work()
        mend_left_behind(self.crew.db, self.crew.now)
        assert_sound(self.crew, self.phone)

    # --- what is asked for and changed ----------------------------------------------------------------------------

    def ask(self) -> None:
        """Up to three events for some of them."""
        requests = [self.request() for _ in range(self.random.randint(1, 3))]
        self.past += requests
        self._survive(lambda db: self.crew.notify_on(db, requests))

    def request(self) -> NotificationRequest:
        self.numbers += 1
        title, slug = f"N{self.numbers}", self.random.choice(list(CATEGORIES))
        entity = EntityRef("deal", uuid4())
        self.entities.append(entity)
        return self.crew.request(
            slug=slug,
            recipients=Recipients(users=tuple(self.random.sample(self.people, self.random.randint(1, 4)))),
            title=title,
            variables={
                "task": {"title": title},
                "assigner": {"name": "Grace"},
                "deal": {"name": title, "value": "100"},
                "item": {"title": title},
                "requester": {"name": "Grace"},
                "action_url": "/x",
            },
            action_url="/x",
            priority=self.random.choice([None, Priority.LOW, Priority.HIGH, Priority.URGENT]),
            channels=tuple(self.random.sample(CHANNELS, self.random.randint(1, 5))),
            group_key=self.random.choice([None, None, None, "g1", "g2"]),
            expires_at=self.random.choice([None, None, None, self.crew.now + timedelta(hours=5)]),
            entity_type=entity.entity_type,
            entity_id=entity.entity_id,
        )

    def ask_again(self) -> None:
        """The same event once more, as after a crash."""
        if self.past:
            self.crew.notify(self.random.choice(self.past))

    def ask_and_die(self) -> None:
        """At any statement; whoever asked asks once more, as after a crash."""
        requests = [self.request() for _ in range(self.random.randint(1, 3))]
        self.past += requests
        self._die(lambda db: self.crew.notify_on(db, requests), last=8)
        assert_sound(self.crew, self.phone)
        self._survive(lambda db: self.crew.notify_on(db, requests))

    def prefer(self) -> None:
        random = self.random
        self.crew.prefer(
            random.choice(self.people),
            random.choice(list(CATEGORIES.values())),
            channels=[channel.value for channel in random.sample(CHANNELS, random.randint(0, 5))],
            frequency=random.choice(FREQUENCIES),
            digest_time=f"{random.randint(0, 23):02}:{random.choice((0, 30)):02}",
            quiet_hours_enabled=random.random() < 0.4,
            quiet_hours_start=f"{random.randint(0, 23):02}:00",
            quiet_hours_end=f"{random.randint(0, 23):02}:30",
            quiet_hours_timezone=random.choice(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
            dnd_enabled=random.random() < 0.2,
            dnd_until=random.choice([None, self.crew.now + timedelta(hours=3)]),
            email_unsubscribed=random.random() < 0.1,
        )

    def read(self) -> None:
        """Some of what somebody has."""
        column = self.random.choice(["read_at", "archived_at"])
        self.crew.rows(
            f"""update notifications set {column} = now()
                where user_id = :user and {column} is null and substring(id::text from 1 for 1) < '8'""",
            user=self.random.choice(self.people),
        )

    def decide(self) -> None:
        if self.entities:
            withdraw(self.crew.db, self.crew.org, self.random.choice(self.entities), self.crew.now)

    def jump(self) -> None:
        """Forward mostly, and sometimes back."""
        minutes = self.random.choice([1, 1, 5, 20, 61, 200, 700, 1500, -3, -30])
        self.crew.time[0] += timedelta(minutes=minutes)

    def trouble(self) -> None:
        """Of a provider, once."""
        if self.random.random() < 0.3:
            self.phone.troubles.append(self.random.choice(TEXT_TROUBLES))
            return
        if self.random.random() < 0.5:
            self.crew.sim.fault(self.random.choice(FAULTS))
            return
        troubles = [RateLimited("slow", 5.0), NotConnected("no"), NoAnswer("no"), FatalError("gone")]
        self.crew.slack_troubles.append(self.random.choice(troubles))

    # --- work -----------------------------------------------------------------------------------------------------

    def work(self) -> None:
        self._survive(lambda db: self.crew.tick(db=db))

    def work_and_die(self) -> None:
        """At any statement, before or after it was carried out."""
        self._die(lambda db: self.crew.tick(db=db), last=40)

    def _die(self, work: Callable[[Database], object], *, last: int) -> None:
        life = Life(last=self.random.randint(1, last), before=self.random.random() < 0.5)
        database = MortalDatabase(self.crew.url, life)
        try:
            self._once(lambda: work(database))
        except Killed:
            pass
        finally:
            Database.close(database)

    def work_twice(self) -> None:
        """Two workers at the same time, while somebody is notified."""
        requests = [self.request() for _ in range(2)]
        self.past += requests
        jobs = [lambda db: self.crew.tick(db=db)] * 2 + [lambda db: self.crew.notify_on(db, requests)]
        with ThreadPoolExecutor(3) as workers:
            list(workers.map(self._survive, jobs))

    def _survive(self, work: Callable[[Database], object]) -> None:
        database = Database(self.crew.url)
        self._once(lambda: work(database))
        database.close()

    def _once(self, work: Callable[[], object]) -> None:
        """What the database refuses for now is tried again by the next run."""
        try:
            work()
        except TransientError:
            return
