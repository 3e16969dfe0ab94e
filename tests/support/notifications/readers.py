"""People who read notifications, and how PostgREST and Realtime ask for them."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import SqlValue
from tests.support.platform.rows import one, parse, rows_of

STAND_IN = """
create schema realtime;
create table realtime.messages (
    id bigserial, topic text, extension text not null default 'broadcast', payload jsonb, event text, private boolean
);
alter table realtime.messages enable row level security;
grant usage on schema realtime to authenticated;
grant select on realtime.messages to authenticated;
create function realtime.topic() returns text language sql stable
    as $$ select nullif(current_setting('realtime.topic', true), '') $$;
grant execute on function realtime.topic() to authenticated;
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
    language sql as $$ insert into realtime.messages (payload, event, topic, private) values ($1, $2, $3, $4) $$;
"""
"""What Supabase's schema of that name has of what is used, with the policies of an empty one."""


@dataclass(frozen=True)
class People:
    """Two colleagues of one organization, and somebody of another."""

    ada: UUID
    bob: UUID
    stranger: UUID


def plant_people(database: Database) -> People:
    """Each with a row in user_profiles."""
    other = one(database, "insert into organizations (name) values ('Other') returning id")["id"]
    people = People(uuid4(), uuid4(), uuid4())
    rows_of(
        database,
        """insert into user_profiles (id, org_id, email)
           select person, default_org_id(), person || '@example.com' from unnest(cast(:people as uuid[])) as person
           union all select :stranger, :other, 'stranger@example.com'""",
        people=[people.ada, people.bob],
        stranger=people.stranger,
        other=other,
    )
    return people


def notify_plainly(database: Database, user: UUID, title: str = "Deal won", **columns: SqlValue) -> UUID:
    """A row as an application inserts it."""
    names = ", ".join(["user_id", "title", "message", "category", *columns])
    values = ", ".join([":user", ":title", "'A message'", "'deal'", *(f":{name}" for name in columns)])
    made: UUID = one(
        database,
        f"insert into notifications ({names}) values ({values}) returning id",
        user=user,
        title=title,
        **columns,
    )["id"]
    return made


def as_reader(
    database: Database, user: UUID | None, sql: str, topic: str | None = None, **values: SqlValue
) -> list[Row]:
    """As PostgREST asks: the claims of the token, then the role; `topic` as Realtime sets it when a client joins."""

    def ask(transaction: Transaction) -> list[Row]:
        claims = json.dumps({"sub": None if user is None else str(user), "role": "authenticated"})
        transaction.run(parse("select set_config('request.jwt.claims', :claims, true)"), claims=claims)
        transaction.run(parse("select set_config('realtime.topic', :topic, true)"), topic=topic or "")
        transaction.run(parse("set local role authenticated"))
        return transaction.run(parse(sql), **values)

    return database.transact(ask)


def messages(database: Database) -> list[dict[str, Any]]:
    """What the stand-in was given since the last call: topic, event, payload, private."""
    return rows_of(
        database,
        """with taken as (delete from realtime.messages returning *)
           select topic, event, payload, private from taken order by id""",
    )
