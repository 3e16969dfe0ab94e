"""The example of docs/notifications.md in a real browser: its queries go to the database under row security.

Supabase's client and its Realtime server are stood in for; what they are asked for, and what comes back, is real.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from crm_relay.platform.database import Database
from tests.support.notifications.readers import (
    STAND_IN,
    People,
    as_reader,
    messages,
    notify_plainly,
    plant_people,
)
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

pytestmark = pytest.mark.xdist_group("browser")
DOCUMENT = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```js\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
LONGEST = 40

# A client as the example uses it; `stand` is what the test moves and looks at.
CLIENT = """
window.stand = { channels: {}, tokens: [], removed: [], shown: [], counts: [] };
class Channel {
  constructor(name, options) { this.name = name; this.options = options ?? {}; this.handlers = []; }
  on(kind, filter, handler) { this.handlers.push([kind, filter, handler]); return this; }
  subscribe(status) { this.status = status; return this; }
}
class Query {
  constructor(table) { this.asked = { table }; }
  select(columns) { this.asked.columns = columns; return this; }
  gt(column, value) { this.asked.gt = [column, value]; return this; }
  order(column) { this.asked.order = column; return this; }
  async limit(count) { return { data: await window.ask({ ...this.asked, limit: count }) }; }
}
window.supabase = {
  channel: (name, options) => (stand.channels[name] = new Channel(name, options)),
  removeChannel: (channel) => stand.removed.push(channel.name),
  from: (table) => new Query(table),
  rpc: async (name) => ({ data: await window.call(name) }),
  auth: { onAuthStateChange: (handler) => { stand.authChanged = handler; } },
  realtime: { setAuth: (token) => stand.tokens.push(token) },
};
window.broadcast = (name, event, payload) => {
  for (const [kind, filter, handler] of stand.channels[name].handlers)
    if (kind === "broadcast" && filter.event === event) handler({ payload });
};
window.changed = (name, eventType, row) => {
  for (const [kind, , handler] of stand.channels[name].handlers)
    if (kind === "postgres_changes") handler({ eventType, new: row });
};
"""
START = """
([user, seenUntil]) => {
  stand.stop = watchNotifications(supabase, user, {
    seenUntil,
    onNotification: (row, isAnnounced) => stand.shown.push([row.title, isAnnounced]),
    onUnread: (count) => stand.counts.push(count),
  });
}
"""


@pytest.fixture
def people(database: Database) -> People:
    database.run_script(STAND_IN)
    assert one(database, "select allow_own_notification_topic() as done")["done"]
    return plant_people(database)


@pytest.fixture
def page(browser: Browser, database: Database, people: People) -> Iterator[Page]:
    """Ada's browser: what it asks is asked with Ada's claims."""
    context = browser.new_context()
    found = context.new_page()
    errors: list[str] = []
    found.on("pageerror", lambda error: errors.append(str(error)))

    def ask(asked: dict[str, Any]) -> Any:
        column, value = asked["gt"]
        sql = f"select {asked['columns']} from {asked['table']} where {column} > cast(:value as timestamptz)"
        sql = f"{sql} order by {asked['order']} limit {int(asked['limit'])}"
        return json.loads(json.dumps(as_reader(database, people.ada, sql, value=value), default=str))

    def call(name: str) -> Any:
        return as_reader(database, people.ada, f"select {name}() as answer")[0]["answer"]

    found.expose_function("ask", ask)
    found.expose_function("call", call)
    found.clock.install()
    found.set_content("<title>application</title>")
    found.add_script_tag(content=CLIENT)
    found.add_script_tag(content=EXAMPLE.replace("export function", "window.watchNotifications = function", 1))
    found.evaluate(START, [str(people.ada), "2026-01-01T00:00:00Z"])
    yield found
    context.close()
    assert errors == []


def subscribe(page: Page, user: object) -> None:
    """Both channels join; what the example asks for then is answered when this returns."""
    for name in (f"user:{user}", f"notifications:{user}"):
        page.evaluate("async (name) => { await stand.channels[name].status('SUBSCRIBED'); }", name)


def shown(page: Page) -> list[list[Any]]:
    found: list[list[Any]] = page.evaluate("stand.shown.splice(0)")
    return found


def counted(page: Page) -> int:
    """After the second that it waits."""
    page.clock.run_for(1100)
    page.wait_for_function("stand.counts.length > 0")
    return int(page.evaluate("stand.counts.splice(0).at(-1)"))


def test_it_can_be_taken_in_at_once() -> None:
    assert EXAMPLE.count("\n") <= LONGEST


def test_it_joins_what_the_policies_let_it_join(page: Page, database: Database, people: People) -> None:
    joined = page.evaluate(
        "Object.values(stand.channels).map((each) => [each.name, each.options?.config?.private ?? false])"
    )
    assert joined == [[f"user:{people.ada}", True], [f"notifications:{people.ada}", False]]
    notify_plainly(database, people.ada)
    asked = "select topic from realtime.messages where topic = :topic_"
    topic = joined[0][0]
    users = (people.ada, people.bob, people.stranger, None)
    assert [len(as_reader(database, user, asked, topic=topic, topic_=topic)) for user in users] == [1, 0, 0, 0]


def test_it_catches_up_with_own_rows_only(page: Page, database: Database, people: People) -> None:
    notify_plainly(database, people.ada, "While away")
    notify_plainly(database, people.bob, "Somebody else's")
    subscribe(page, people.ada)
    assert set(map(tuple, shown(page))) == {("While away", False)}
    assert counted(page) == 1
    # The connection was lost: another row, and a mark of another tab.
    notify_plainly(database, people.ada, "While offline")
    as_reader(database, people.ada, "update notifications set read_at = now() where title = 'While away'")
    subscribe(page, people.ada)
    assert {title for title, _ in shown(page)} == {"While away", "While offline"}
    assert counted(page) == 1


def test_what_the_database_broadcasts_is_announced_once(page: Page, database: Database, people: People) -> None:
    made = notify_plainly(database, people.ada, "Deal won", group_key="deal:1", group_count=1)
    ((created,), row) = (
        messages(database),
        one(database, "select to_jsonb(notifications) as row from notifications where id = :id", id=made)["row"],
    )
    page.evaluate("(given) => broadcast(...given)", [created["topic"], created["event"], created["payload"]])
    page.evaluate("(given) => changed(...given)", [f"notifications:{people.ada}", "INSERT", row])
    assert shown(page) == [["Deal won", True], ["Deal won", False]]
    assert counted(page) == 1
    rows_of(database, "update notifications set group_count = 2, title = 'Two deals won' where id = :id", id=made)
    (grown,) = messages(database)
    page.evaluate("(given) => broadcast(...given)", [grown["topic"], grown["event"], grown["payload"]])
    assert shown(page) == [["Two deals won", True]]


def test_a_mark_of_another_tab_brings_the_count_at_once(page: Page, database: Database, people: People) -> None:
    notify_plainly(database, people.ada)
    messages(database)
    as_reader(database, people.ada, "select mark_all_notifications_read()")
    (marked,) = messages(database)
    page.evaluate("(given) => broadcast(...given)", [marked["topic"], marked["event"], marked["payload"]])
    page.wait_for_function("stand.shown.length > 0")
    assert shown(page) == [["Deal won", False]]
    assert page.evaluate("stand.counts.splice(0)") == [0]


def test_a_silent_row_and_a_change_that_nobody_sees_announce_nothing(page: Page, people: People) -> None:
    row = {"id": "1", "title": "x", "group_count": 1, "is_silent": True, "updated_at": "2026-11-30T10:00:00Z"}
    page.evaluate("(given) => broadcast(...given)", [f"user:{people.ada}", "notification_created", row])
    sent = row | {"is_silent": False, "id": "2"}
    page.evaluate("(given) => changed(...given)", [f"notifications:{people.ada}", "UPDATE", sent])
    page.evaluate("(given) => changed(...given)", [f"notifications:{people.ada}", "DELETE", {}])
    assert shown(page) == [["x", False], ["x", False]]


def test_a_new_token_goes_to_the_socket_and_leaving_closes_both(page: Page, people: People) -> None:
    page.evaluate("stand.authChanged('SIGNED_OUT', null)")
    page.evaluate("stand.authChanged('TOKEN_REFRESHED', { access_token: 'new' })")
    assert page.evaluate("stand.tokens") == ["new"]
    page.evaluate("stand.stop()")
    assert page.evaluate("stand.removed") == [f"user:{people.ada}", f"notifications:{people.ada}"]


def test_the_document_names_every_function_and_event(database: Database) -> None:
    names = rows_of(
        database,
        """select proname from pg_proc
           where pronamespace = 'public'::regnamespace and proname like '%notification%'
               and has_function_privilege('authenticated', oid, 'execute') and proname not like 'are_%'""",
    )
    assert [row["proname"] for row in names if f"`{row['proname']}(" not in DOCUMENT] == []
    sent = rows_of(database, "select prosrc from pg_proc where proname = 'broadcast_notifications'")[0]["prosrc"]
    heard = set(re.findall(r'event: "(\w+)"', EXAMPLE))
    assert heard == {"notification_created", "notification_updated", "notifications_changed"}
    assert "'notifications_changed'" in sent
    assert "'notification_' ||" in sent
