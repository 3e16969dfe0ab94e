"""One row in every table there is, so that a test of rights looks at something; a new table is filled by itself."""

from collections.abc import Callable
from uuid import UUID

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query

EVERYWHERE = UUID("11111111-1111-4111-8111-111111111111")
"""The id of every row and of everything that it refers to: organization, user, workspace, customer, …"""

# What a column of that type gets where no check names a word.
_SAMPLES = {
    "ARRAY": "'{}'",
    "uuid": f"'{EVERYWHERE}'",
    "boolean": "false",
    "bytea": r"'\\x00'",
    "date": "'2026-01-01'",
    "time without time zone": "'09:00'",
    "timestamp with time zone": "'2026-01-01T00:00Z'",
}
_CHANNELS = """'["in_app"]'"""
# Where a check asks for more than a type.
_OWN_SAMPLES = {
    # Nobody approves their own request.
    ("workflow_approvals", "requester_id"): "gen_random_uuid()",
    ("api_tokens", "sha256"): "repeat('0', 64)",
    ("api_tokens", "name"): "'sample'",
    ("campaign_sequences", "skip_conditions"): "'[]'",
    ("campaign_sequences", "ab_variants"): """'[{"id": "a"}]'""",
    ("notification_categories", "channels"): _CHANNELS,
    ("notification_preferences", "channels"): _CHANNELS,
    ("notification_preferences", "quiet_hours_timezone"): "'UTC'",
    ("notification_templates", "default_channels"): _CHANNELS,
    ("notification_templates", "variables"): "'[]'",
    ("notification_templates", "action_url_template"): "'/sample'",
    ("campaigns", "send_days"): "'{mon}'",
    ("campaigns", "send_window_start"): "'09:00'",
    ("campaigns", "send_window_end"): "'17:00'",
}
_COLUMNS = """
    select c.table_name, c.column_name, c.data_type, c.udt_name,
        (
            select substring(pg_get_constraintdef(oid) from '''(\\w+)''')
            from pg_constraint
            where conrelid = c.table_name::regclass and contype = 'c'
                and pg_get_constraintdef(oid) ~ format('^CHECK \\(+\\(?%s\\)?(::text)? = ANY', c.column_name)
            limit 1
        ) as word,
        exists (
            select
            from pg_constraint
            where conrelid = c.table_name::regclass and contype = 'c'
                and pg_get_constraintdef(oid) = format('CHECK (%s)', c.column_name)
        ) as is_always_true
    from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
        and c.is_identity = 'NO' and c.is_generated = 'NEVER'
    order by c.table_name, c.ordinal_position
"""


def fill_every_table(database: Database, text: Callable[[str, str], str] | None = None) -> None:
    """Add the row; as the superuser, since references and triggers are switched off meanwhile.

    `text` says what a column of text, of texts or of JSON holds, by table and column.
    """
    columns: dict[str, list[Row]] = {}
    for row in database.run(Query.parse("columns", "what has to be filled", _COLUMNS)):
        columns.setdefault(row["table_name"], []).append(row)
    inserts = "; ".join(_insert(table, rows, text) for table, rows in columns.items())
    database.run_script(
        f"""begin; set local session_replication_role = replica; {inserts};
            update installation_settings set value = '{EVERYWHERE}' where key = 'default_org_id'; commit"""
    )


def _insert(table: str, columns: list[Row], text: Callable[[str, str], str] | None) -> str:
    names = ", ".join(column["column_name"] for column in columns)
    values = ", ".join(_sample(column, text) for column in columns)
    return f"insert into {table} ({names}) values ({values})"


def _sample(column: Row, text: Callable[[str, str], str] | None) -> str:
    if column["is_always_true"]:
        return "true"
    if (own := _OWN_SAMPLES.get((column["table_name"], column["column_name"]))) is not None:
        return own
    if column["word"]:
        return f"'{column['word']}'"
    words = "ada@example.com" if text is None else text(column["table_name"], column["column_name"])
    if column["data_type"] == "jsonb":
        return "'{}'" if text is None else f"""'{{"planted": "{words}"}}'"""
    if column["data_type"] == "text":
        return f"'{words}'"
    if column["udt_name"] == "_text" and text is not None:
        return f"array['{words}']"
    return _SAMPLES.get(column["data_type"], "1")
