"""Takes over who left, and nothing else, while the records of an audience wait for somebody's look."""

from crm_relay.connections.audiences.send_departures import send_departures
from crm_relay.connections.audiences.take_standings import take_standings
from crm_relay.connections.records import store
from crm_relay.connections.records.store import Checkpoint
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.providers.connectors.contract import AudienceStream
from crm_relay.providers.connectors.failures import CursorLost, TimeUsedUp

_REQUEST_SECONDS = 5.0


def take_departures(run: StreamRun, checkpoint: Checkpoint) -> None:
    """Both ways. Nothing of a stream without standings, and of one that nobody has let begin.

    By a cursor of its own: the records are read again, once somebody has said yes to them. Errors as in
    `RecordStream.read` and `send_departures`; CursorLost never.
    """
    if not isinstance(run.stream, AudienceStream) or not checkpoint.was_read:
        return
    try:
        _read_on(run, checkpoint.departures_cursor or checkpoint.cursor)
    except CursorLost:
        # Such as behind a change of the mapped fields: everybody is looked at.
        _read_on(run, None)
    send_departures(run)


def _read_on(run: StreamRun, cursor: str | None) -> None:
    is_last = False
    while not is_last:
        if not run.deadline.allows(_REQUEST_SECONDS):
            raise TimeUsedUp("the time of the run is up between two pages")
        page = run.stream.read(cursor)
        take_standings(run, page.records)
        store.save_departures_cursor(run.db, run.key, page.cursor)
        cursor, is_last = page.cursor, page.is_last
