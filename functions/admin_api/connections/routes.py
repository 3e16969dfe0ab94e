"""The routes under /api/connections: who may look at connections, and who may begin, steer and remove them."""

from functools import partial

from admin_api.connections import answers
from admin_api.connections.answers import ConnectionStart
from admin_api.connections.inputs import ConnectionsAsked, ConnectionWanted, OfConnection, SettingsGiven
from admin_api.table import OPERATE, READ, get, patch, post
from crm_relay.connections.change_settings import SettingsChanged
from crm_relay.connections.overview.show import ConnectionLine, ConnectionShown
from crm_relay.connections.steer import ConnectionChange, ConnectionSteered

_CHANGES = {
    ConnectionChange.PAUSE: "Sync nothing until it is resumed",
    ConnectionChange.RESUME: "Sync again, and catch up",
    ConnectionChange.SYNC: "Have it synced by the next run, whatever its schedule says",
    ConnectionChange.CONFIRM: "Let it do what a preview, or a sync that stopped, has shown",
    ConnectionChange.REMOVE: "Have the grant taken back and forgotten; what was synced stays on both sides",
}

CONNECTIONS = [
    get(
        READ,
        "/api/connections",
        "Connected accounts with their state, records, refusals and budget",
        answers.list_all,
        list[ConnectionLine],
        ConnectionsAsked,
    ),
    get(
        OPERATE,
        "/api/connections/{id}",
        "A connection with its refused records, its last syncs, and what it waits for",
        answers.one,
        ConnectionShown,
        OfConnection,
        errors=(404,),
    ),
    post(
        OPERATE,
        "/api/connections",
        "Begin to connect an account by OAuth, or to connect it again",
        answers.connect,
        ConnectionStart,
        ConnectionWanted,
        status=201,
        errors=(404,),
    ),
    patch(
        OPERATE,
        "/api/connections/{id}",
        "Change settings of a connection; what they change about records is previewed again",
        answers.settings,
        SettingsChanged,
        SettingsGiven,
        errors=(404,),
    ),
    *(
        post(
            OPERATE,
            f"/api/connections/{{id}}/{change.value}",
            summary,
            partial(answers.change, what=change),
            ConnectionSteered,
            OfConnection,
            errors=(404, 409),
        )
        for change, summary in _CHANGES.items()
    ),
]
