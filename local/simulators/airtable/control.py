"""`/_simulator/`: how a run in another process looks at the simulator and acts in it."""

from __future__ import annotations

from collections.abc import Callable

from local.simulators.airtable.simulated_airtable import CONTACT_FIELDS, SimulatedAirtable
from local.simulators.airtable.state import SimulatedTable
from local.simulators.airtable.wire import AirtableRequest, AirtableResponse, Json
from local.simulators.clock import stamp
from local.simulators.controls import add_fault, carry_out, clear_faults

Control = Callable[[SimulatedAirtable, Json], Json]


def answer(simulator: SimulatedAirtable, request: AirtableRequest) -> AirtableResponse:
    """
    GET  state                                   bases, tables, requests
    POST base {name}                             -> {id}
    POST table {base_id, name?, fields?}         -> {id, fields}
    POST token {}                                -> {token}, a personal access token
    POST client {redirect_uri}                   -> {client_id, client_secret}
    POST rows {table_id}                         -> {rows}
    POST row {table_id, cells}                   -> {id}
    POST edit {table_id, record_id, cells}       POST remove {table_id, record_id}
    POST rename-field {table_id, name, new_name} POST remove-field {table_id, name}
    POST revoke                                  the person takes the integration's access away
    POST faults {kind, match?, times?, …}        DELETE faults
    POST advance {seconds}                       POST switch {requests_per_second: null, …}
    """
    return AirtableResponse(*carry_out(CONTROLS, simulator, request, request.object))


def state(simulator: SimulatedAirtable, payload: Json) -> Json:
    del payload
    account = simulator.account
    with account.lock:
        bases = [
            {
                "id": base.id,
                "name": base.name,
                "tables": [
                    {"id": each.id, "name": each.name, "rows": len(each.records), "fields": _fields(each)}
                    for each in base.tables
                ],
            }
            for base in account.bases.values()
        ]
    return {
        "now": stamp(account.clock.now()),
        "bases": bases,
        "clients": sorted(account.clients),
        "requests": dict(simulator.requests),
        "faults_pending": simulator.faults.pending,
    }


def new_base(simulator: SimulatedAirtable, payload: Json) -> Json:
    return {"id": simulator.base(payload["name"]).id}


def new_table(simulator: SimulatedAirtable, payload: Json) -> Json:
    base = simulator.account.bases[payload["base_id"]]
    made = simulator.table(base, payload.get("name", "People"), payload.get("fields", CONTACT_FIELDS))
    return {"id": made.id, "fields": _fields(made)}


def new_token(simulator: SimulatedAirtable, payload: Json) -> Json:
    del payload
    return {"token": simulator.token()}


def new_client(simulator: SimulatedAirtable, payload: Json) -> Json:
    made = simulator.client(payload["redirect_uri"])
    return {"client_id": made.client_id, "client_secret": made.secret}


def rows(simulator: SimulatedAirtable, payload: Json) -> Json:
    return {"rows": simulator.rows(_table(simulator, payload))}


def add_row(simulator: SimulatedAirtable, payload: Json) -> Json:
    return {"id": simulator.add_row(_table(simulator, payload), **payload["cells"]).id}


def edit_row(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.edit_row(_table(simulator, payload), payload["record_id"], **payload["cells"])
    return {"success": True}


def remove_row(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.delete_row(_table(simulator, payload), payload["record_id"])
    return {"success": True}


def rename_field(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.rename_field(_table(simulator, payload), payload["name"], payload["new_name"])
    return {"success": True}


def remove_field(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.remove_field(_table(simulator, payload), payload["name"])
    return {"success": True}


def revoke(simulator: SimulatedAirtable, payload: Json) -> Json:
    del payload
    simulator.revoke_grants()
    return {"success": True}


def advance(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.advance(float(payload["seconds"]))
    return {"now": stamp(simulator.account.clock.now())}


def switch(simulator: SimulatedAirtable, payload: Json) -> Json:
    simulator.switch(**payload)
    return {"success": True}


def _table(simulator: SimulatedAirtable, payload: Json) -> SimulatedTable:
    return next(each for each in simulator.account.tables() if each.id == payload["table_id"])


def _fields(table: SimulatedTable) -> Json:
    return {each.name: each.id for each in table.fields}


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "state"): state,
    ("POST", "base"): new_base,
    ("POST", "table"): new_table,
    ("POST", "token"): new_token,
    ("POST", "client"): new_client,
    ("POST", "rows"): rows,
    ("POST", "row"): add_row,
    ("POST", "edit"): edit_row,
    ("POST", "remove"): remove_row,
    ("POST", "rename-field"): rename_field,
    ("POST", "remove-field"): remove_field,
    ("POST", "revoke"): revoke,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "advance"): advance,
    ("POST", "switch"): switch,
}
