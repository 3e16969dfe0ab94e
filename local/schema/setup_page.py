"""What has to be there before the first table: extensions, roles, default privileges, publications."""

from crm_relay.platform.database import Queryable, Row
from local.schema.catalogue import Catalogue
from local.schema.layout import INDENT, comment_on
from local.schema.rights import RIGHTS_SQL


def setup_page(database: Queryable, catalogue: Catalogue) -> list[str]:
    """A piece for each kind that there is."""
    setup, schema = catalogue.setup, database.run(RIGHTS_SQL["schema_rights"])
    kinds = [
        [f"create extension if not exists {row['name']} with schema {row['schema']};" for row in setup["extensions"]],
        _roles(setup["roles"]),
        [f"grant {row['privileges']} on schema public to {row['role']};" for row in schema],
        [_default(row) for row in database.run(RIGHTS_SQL["default_rights"])],
        [line for row in setup["publications"] for line in _publication(row)],
    ]
    return ["\n".join(kind) for kind in kinds if kind]


def _roles(roles: list[Row]) -> list[str]:
    """They belong to the whole server, and may be there."""
    if not roles:
        return []
    lines = ["do $$", "begin"]
    for row in roles:
        lines += [
            f"{INDENT}if to_regrole('{row['name']}') is null then",
            f"{INDENT * 2}create role {row['name']} {row['options']};",
            f"{INDENT}end if;",
        ]
    lines += ["end", "$$;"]
    for row in roles:
        for name, _, value in (setting.partition("=") for setting in row["settings"]):
            lines.append(f"alter role {row['name']} set {name} = '{value}';")
    return lines


def _default(row: Row) -> str:
    word = "to" if row["action"] == "grant" else "from"
    what = f"{row['action']} {row['privileges']} on {row['kind']} {word} {row['role']}"
    return f"alter default privileges{row['place']} {what};"


def _publication(row: Row) -> list[str]:
    options = [] if row["publishes"] == "insert, update, delete, truncate" else [f"publish = '{row['publishes']}'"]
    options += ["publish_via_partition_root = true"] if row["is_via_root"] else []
    said = f" with ({', '.join(options)})" if options else ""
    made = f"create publication {row['name']}{row['scope']}{said};"
    return [made, *comment_on(f"publication {row['name']}", row["comment"])]
