"""The folder `schema/` and what is written into it."""

from pathlib import Path

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from local.postgres import EmbeddedPostgres
from local.schema.owners import read_owners
from local.schema.pages import schema_files
from local.stack_file import ROOT

FOLDER = ROOT / "schema"


def files_of_the_migrations() -> dict[str, str]:
    """In seconds: an empty server, all migrations, the catalogue."""
    with EmbeddedPostgres.start(durable=False) as server:
        database = Database(server.url(), timeout=60)
        migrate(database, read_migrations(ROOT / "migrations"))
        files = schema_files(database, read_owners()[0])
        database.close()
    return files


def write(files: dict[str, str], folder: Path) -> list[str]:
    """Replace what is there; returns the paths whose text is another than before, and those that are gone."""
    before = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.sql")}
    for path in before.keys() - files.keys():
        (folder / path).unlink()
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return sorted(path for path in before.keys() | files.keys() if before.get(path) != files.get(path))
