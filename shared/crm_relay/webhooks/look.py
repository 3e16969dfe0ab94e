"""Looks for a person in the bucket and in the queues, and changes nothing."""

from crm_relay.consent.person import Person
from crm_relay.consent.traces import Traces
from crm_relay.platform.aws.queue import get_object, list_keys, queue_state
from crm_relay.platform.errors import TransientError
from crm_relay.webhooks.defer import Deferred, source_of_object
from crm_relay.webhooks.erase import held_messages
from crm_relay.webhooks.redact import decoded_message, message_without, redact_stored
from crm_relay.webhooks.source import Redactors


def objects_with(deferred: Deferred, redactors: Redactors, person: Person) -> int:
    """How many objects of the whole bucket mention the person, whoever stored them. Errors as in get_object."""
    traces = Traces(person)
    return sum(_object_has(deferred, key, redactors, person, traces) for key in list_keys(deferred.bucket, ""))


def queues_with(deferred: Deferred, redactors: Redactors, person: Person) -> dict[str, int]:
    """How many messages of the deferred queue and of its dead letters do. TransientError where some were in use."""
    traces = Traces(person)
    dead = queue_state(deferred.queue_url).dead_letters
    queues = {"deferred queue": deferred.queue_url} | ({"dead letters": dead} if dead else {})
    return {name: _messages_with(url, redactors, person, traces) for name, url in queues.items()}


def _object_has(deferred: Deferred, key: str, redactors: Redactors, person: Person, traces: Traces) -> bool:
    body = get_object(deferred.bucket, key).decode(errors="replace")
    if traces.found_in(key) or traces.found_in(body):
        return True
    return redact_stored(redactors, source_of_object(key), body, person) is not None


def _messages_with(queue_url: str, redactors: Redactors, person: Person, traces: Traces) -> int:
    in_flight = queue_state(queue_url).in_flight
    with held_messages(queue_url) as messages:
        found = sum(_message_has(each.text, redactors, person, traces) for each in messages)
    if in_flight:
        raise TransientError(f"{in_flight} messages were being worked on or delayed, and could not be looked at")
    return found


def _message_has(text: str, redactors: Redactors, person: Person, traces: Traces) -> bool:
    if traces.found_in(text) or traces.found_in(decoded_message(text)):
        return True
    return message_without(text, person, redactors) is not None
