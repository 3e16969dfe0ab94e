"""crm-relay consent: the ledger of opt-outs and consents."""

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TextIO
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, console, open_database, reports_errors, show
from crm_relay.consent.grant import correct_entry, grant_consent
from crm_relay.consent.import_export import BadLine, export_ledger, import_ledger
from crm_relay.consent.models import ConsentChannel, ConsentKind
from crm_relay.consent.store import organization_called
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput

app = typer.Typer(no_args_is_help=True, help="Read and write the ledger of opt-outs and consents.")

Organization = Annotated[
    str | None, typer.Option("--org", help="Id or name of the organization. Default: the installation's.")
]


@app.command("grant")
@reports_errors
def consent_grant(
    address: str,
    evidence: Annotated[str, typer.Option("--evidence", help="How the consent can be proven.")],
    channel: Annotated[ConsentChannel, typer.Option("--channel", help="What is consented to.")] = ConsentChannel.EMAIL,
    org: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Record a re-consent, the only way out of an opt-out.

    It holds for one organization. Exit status 1: the consent is recorded, but something else still mutes the customer.
    """
    with open_database(env_file) as database:
        granted = grant_consent(
            database,
            address,
            evidence=evidence,
            granted_by="operator",
            now=utc_now(),
            channel=channel,
            org_id=_organization(database, org),
        )
    show(asdict(granted), as_json, "Consent recorded")
    return FOUND if granted.do_not_contact or granted.invalid_address else GOOD


@app.command("correct")
@reports_errors
def consent_correct(
    entry: Annotated[int, typer.Argument(help="Number of the wrong entry, as crm-relay why shows it.")],
    evidence: Annotated[str, typer.Option("--evidence", help="How it is known that the entry is wrong.")],
    bounce: Annotated[
        bool, typer.Option("--bounce", help="It was a permanent bounce, and is recorded as one.")
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Correct one wrong opt-out or bounce by a second entry.

    What else mutes the address stays, before and after it. Exit status 1: the entry is corrected, and something still
    mutes the address.
    """
    with open_database(env_file) as database:
        corrected = correct_entry(
            database,
            entry,
            evidence=evidence,
            corrected_by="operator",
            instead=ConsentKind.HARD_BOUNCE if bounce else None,
        )
    show(asdict(corrected), as_json, "Corrected")
    return FOUND if corrected.suppressed_by else GOOD


@app.command("import")
@reports_errors
def consent_import(file: Path, org: Organization = None, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Import a suppression list from a CSV file.

    Columns: address, kind (opt_out, hard_bounce or complaint), occurred_at; separated by commas, semicolons or tabs.
    Safe to repeat. Exit status 1: some lines were reported and left out. Exit status 2: the file cannot be read, and
    nothing was imported.
    """
    bad: list[BadLine] = []
    with open_database(env_file) as database:
        imported = import_ledger(database, _lines_of(file), bad.append, org_id=_organization(database, org))
    show({**asdict(imported), "bad_lines": [asdict(each) for each in bad]}, as_json, "Imported")
    return FOUND if bad else GOOD


@app.command("export")
@reports_errors
def consent_export(file: Path, env_file: EnvFile = None) -> int:
    """Export the whole ledger to a CSV file.

    A file of that name is replaced once the export is complete.
    """
    with open_database(env_file) as database, _replacing(file) as target:
        lines = export_ledger(database, target)
    console.print(f"{lines} lines")
    return GOOD


@dataclass(frozen=True)
class _FileLines:
    """A file that can be read more than once, each time from its beginning."""

    file: Path

    def __iter__(self) -> Iterator[str]:
        with self.file.open(encoding="utf-8", newline="") as lines:
            yield from lines


def _lines_of(file: Path) -> Iterable[str]:
    try:
        if file.is_file():
            file.open("rb").close()
            return _FileLines(file)
        return list(_FileLines(file))
    except UnicodeDecodeError:
        raise RejectedInput("the file is not UTF-8") from None
    except OSError:
        raise RejectedInput(f"{file} cannot be read") from None


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """A new file that takes the place of `file` once it is complete; what is no regular file is written to directly."""
    try:
        if file.exists() and not file.is_file():
            with file.open("w", encoding="utf-8", newline="") as target:
                yield target
            return
        place = file.resolve()
        handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError:
        raise RejectedInput(f"{file} cannot be written") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as target:
            if place.exists():
                os.fchmod(target.fileno(), stat.S_IMODE(place.stat().st_mode))
            yield target
            target.flush()
            os.fsync(target.fileno())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _organization(database: Database, wanted: str | None) -> UUID | None:
    if wanted is None:
        return None
    found = organization_called(database, wanted)
    if found is None:
        raise RejectedInput("--org: there is no such organization, or two have this name")
    return found
