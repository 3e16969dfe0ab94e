"""Batches: at most 200 items, each with its own status, keyed the way PHP keys arrays."""

from __future__ import annotations

import copy
from typing import Any

from local.simulators.mautic.contacts import shapes
from local.simulators.mautic.contacts.single import Saved, change_one, create_or_merge, erase, replace_one
from local.simulators.mautic.state import MauticData, SimulatedContact
from local.simulators.mautic.wire import (
    Json,
    MauticApiError,
    MauticRequest,
    MauticResponse,
    generic_error,
    php_array,
    php_items,
)

LIMIT = 200
Key = int | str
MISSING = {"message": "Item was not found.", "code": 404, "type": "api"}


class SimulatedBatch:
    """Collects the outcome of one batch, item by item."""

    def __init__(self, mautic: MauticData, request: MauticRequest) -> None:
        self.mautic = mautic
        self.items = php_items(request.payload)
        self.fail_after = request.fail_after_items
        self.codes: dict[Key, int] = {}
        self.errors: dict[Key, Json] = {}
        if len(self.items) > LIMIT:
            text = f"A max of {LIMIT} entities are supported at a time."
            raise MauticApiError(500, [{"code": 500, "message": text, "details": []}])

    def params(self, item: Any) -> Json:
        """Anything but an object breaks the whole request (recorded: 47_batch_new_non_object_items)."""
        if self.fail_after is not None and len(self.codes) >= self.fail_after:
            raise MauticApiError(500, [generic_error(500)])
        if not isinstance(item, dict | list):
            raise MauticApiError(500, [generic_error(500)])
        # A list is an array without a known key: an empty contact (recorded: 46_batch_new_wrapped_object).
        return item if isinstance(item, dict) else {}

    def failed(self, key: Key, error: MauticApiError) -> None:
        """An item's own refusal stays with the item; a 500 (a killed webhook) breaks the request."""
        if error.status >= 500:
            raise error
        self.codes[key] = error.status
        self.errors[key] = {**error.errors[0], "type": None}

    def missing(self, key: Key) -> None:
        self.codes[key] = 404
        self.errors[key] = dict(MISSING)

    def answer(self, status: int, shown: dict[Key, Json]) -> MauticResponse:
        body = {"contacts": php_array(shown.items()), "statusCodes": php_array(self.codes.items())}
        if self.errors:
            body["errors"] = php_array(self.errors.items())
        return MauticResponse(status, body)


def batch_new(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    """Always 201; ids in the items are ignored, failed items are absent from `contacts` (recorded: 43, 53)."""
    batch = SimulatedBatch(mautic, request)
    shown: dict[Key, Json] = {}
    for key, item in batch.items:
        params = batch.params(item)
        try:
            saved = create_or_merge(mautic, params, batch=True)
        except MauticApiError as error:
            batch.failed(key, error)
            continue
        batch.codes[key] = saved.status
        with mautic.lock:
            # Rendered now: a later item of the same batch may change this contact again (recorded: 44).
            shown[key] = shapes.full(mautic, saved.contact, saved.change)
    return batch.answer(201, shown)


class Edited:
    """The contacts one batch/edit has touched; a contact's second turn is saved as a new one."""

    def __init__(self, mautic: MauticData, *, replacing: bool) -> None:
        self.mautic = mautic
        self.replacing = replacing
        self.by_key: dict[Key, tuple[SimulatedContact, Saved | None]] = {}
        self.by_number: dict[int, SimulatedContact] = {}

    def apply(self, key: Key, contact: SimulatedContact | None, params: Json) -> int:
        number = contact.id if contact else 0
        if number in self.by_number:
            return self._again(key, number, params)
        self.by_key.update({key: (contact, None)} if contact else {})
        saved = self._save(contact, params)
        self.by_key[key] = (saved.contact, saved)
        self.by_number[number or saved.contact.id] = saved.contact
        return saved.status

    def _save(self, contact: SimulatedContact | None, params: Json) -> Saved:
        if self.replacing or contact is None:
            return replace_one(self.mautic, contact, params, batch=True)
        return change_one(self.mautic, contact, params)

    def _again(self, key: Key, number: int, params: Json) -> int:
        """Both answers then show the copy (recorded: 49_batch_edit_same_id_twice)."""
        first = self.by_number[number]
        twin = copy.deepcopy(first)
        twin.id = self.mautic.next_id("contact")
        saved = change_one(self.mautic, twin, params, twin_of=first.id)
        self._store_without_custom_fields(twin)
        for other, (contact, earlier) in list(self.by_key.items()):
            self.by_key[other] = (twin if contact is first else contact, earlier)
        self.by_key[key] = (twin, saved)
        return saved.status

    def _store_without_custom_fields(self, twin: SimulatedContact) -> None:
        """The answer shows the copy's custom values, its row has none (recorded: 80_contact_delete of that copy)."""
        row = copy.deepcopy(twin)
        row.fields = {alias: value for alias, value in row.fields.items() if alias in shapes.CORE_ATTRIBUTES}
        with self.mautic.lock:
            self.mautic.store(row)

    def shown(self) -> dict[Key, Json]:
        return {key: self._shown(contact, saved) for key, (contact, saved) in self.by_key.items()}

    def _shown(self, contact: SimulatedContact, saved: Saved | None) -> Json:
        if saved is not None:
            shown = shapes.full(self.mautic, contact, saved.change, listed=not self.replacing)
            return (
                shapes.emptied(self.mautic, shown, saved.change)
                if saved.change.blanking and not self.replacing
                else shown
            )
        # A refused item still comes back, without "all" and with numbers as strings (recorded: 51_…_email_of_other).
        shown = shapes.full(self.mautic, contact, listed=True)
        shown["fields"].pop("all")
        for entry in shown["fields"]["core"].values():
            if isinstance(entry["value"], int | float):
                entry["value"] = entry["normalizedValue"] = str(entry["value"])
        return shown


def batch_edit(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    batch = SimulatedBatch(mautic, request)
    edited = Edited(mautic, replacing=request.method == "PUT")
    for key, item in batch.items:
        params = batch.params(item)
        contact = mautic.contacts.get(_number(params.get("id")))
        if contact is None and not edited.replacing:
            batch.missing(key)
            continue
        try:
            batch.codes[key] = edited.apply(key, contact, params)
        except MauticApiError as error:
            batch.failed(key, error)
    with mautic.lock:
        return batch.answer(200, edited.shown())


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def batch_delete(mautic: MauticData, request: MauticRequest) -> MauticResponse:
    """Ids count in the query only; unknown ones and a JSON body are passed over (recorded: 81_*)."""
    numbers = [_number(part) for part in request.query.get("ids", "").split(",")]
    found = [mautic.contacts[number] for number in numbers if number in mautic.contacts]
    shown = []
    for contact in found:
        with mautic.lock:
            shown.append(shapes.full(mautic, contact, listed=True))
        erase(mautic, contact)
    return MauticResponse(200, {"contacts": shown})
