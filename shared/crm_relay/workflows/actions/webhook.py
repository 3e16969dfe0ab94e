"""webhook: a request to another system, committed with its step and sent behind the commit."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.actions.configs import WebhookConfig
from crm_relay.workflows.actions.effects import StepMade, StepMoment, WebhookOut, id_of

_LARGEST = 256 * 1024


def webhook(config: WebhookConfig, at: StepMoment) -> StepMade:
    """Its id is its identity for the receiver, also where an operator repeats the step. Secrets stay references."""
    url = at.url(config.url)
    host = urlsplit(url).hostname
    if host is None:
        raise RejectedInput("url: has no host")
    body = json.dumps(_body(config, at), ensure_ascii=False, default=str)
    if len(body.encode()) > _LARGEST:
        raise RejectedInput("body: is larger than 256 KB")
    webhook_id = id_of(at.run.id, "webhook", at.first_position)
    row = {
        "id": webhook_id,
        "org_id": at.run.org_id,
        "execution_id": at.run.id,
        "action_id": at.action_id,
        "url": url,
        "host": host,
        "method": config.method,
        "headers": dict(config.headers),
        "secret_ref": config.secret,
        "body": body,
        "is_awaited": config.wait_for_answer,
    }
    return StepMade((WebhookOut(row, config.wait_for_answer),), {"webhook_id": str(webhook_id)})


def _body(config: WebhookConfig, at: StepMoment) -> Mapping[str, Any]:
    """What the step writes out; without that, what the run is about."""
    if config.body:
        return {name: _filled(value, at) for name, value in config.body.items()}
    return {
        "type": f"workflow.{at.run.entity_type}",
        "timestamp": at.now.isoformat(),
        "data": {
            "workflow": {"id": str(at.run.workflow_id), "name": at.run.workflow_name},
            "execution_id": str(at.run.id),
            "entity_type": at.run.entity_type,
            "entity_id": str(at.run.entity_id),
            "record": dict(at.facts.record),
        },
    }


def _filled(value: Any, at: StepMoment) -> Any:
    if isinstance(value, str):
        return at.text(value)
    if isinstance(value, Mapping):
        return {name: _filled(inner, at) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, at) for inner in value]
    return value
