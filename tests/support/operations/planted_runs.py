"""Runs of workflows that know a person: about their contact, and about a deal that names it."""

import json
from uuid import UUID, uuid4

from crm_relay.platform.database import Database
from tests.support.platform.rows import one, rows_of


def plant_runs(database: Database, contact: UUID, first: str, address: str) -> None:
    """A run that waits, with all that it and its event keep, and one of a deal; each has a request to send."""
    deal = one(database, "insert into deals (name, lead_contact_id) values ('A deal', :id) returning id", id=contact)[
        "id"
    ]
    for kind, record in (("contact", contact), ("deal", deal)):
        _plant_run(database, kind, record, first, address)
    rows_of(
        database,
        """insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, payload)
           values (default_org_id(), 'contact', :id, 'changed', 'email', cast(:changed as jsonb),
               cast(:payload as jsonb))
           returning id""",
        id=contact,
        changed=json.dumps({"email": [None, address]}),
        payload=json.dumps({"name": first}),
    )


def _plant_run(database: Database, kind: str, record: UUID, first: str, address: str) -> None:
    explanation = json.dumps([{"field": "contact.email", "operator": "eq", "actual": address, "holds": True}])
    event = json.dumps(
        {"kind": "changed", "changed": {"email": [None, address]}} if kind == "contact" else {"kind": "x"}
    )
    activity = uuid4()
    run = one(
        database,
        """with workflow as (
               insert into workflows (org_id, name, entity_type)
               values (default_org_id(), 'Planted ' || cast(:record as text), :kind) returning id, org_id
           ),
           version as (
               insert into workflow_versions (workflow_id, version, org_id, entity_type, definition, program,
                   source_hash, starts_from, published_at, published_by)
               select id, 1, org_id, :kind, '{}', '{}', 'x', now(), now(), 'test' from workflow
           ),
           decision as (
               insert into workflow_start_decisions
                   (org_id, workflow_id, entity_type, entity_id, verdict, explanation, decided_at)
               select org_id, id, :kind, :record, 'not_started', cast(:explanation as jsonb), now() from workflow
           ),
           instance as (
               insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)
               select org_id, id, :kind, :record from workflow returning id, org_id, workflow_id
           )
           insert into workflow_executions (org_id, instance_id, workflow_id, version, entity_type, entity_id, status,
               trigger_event, execution_context, error_message, start_key, started_at)
           select org_id, id, workflow_id, 1, :kind, :record, 'running', cast(:event as jsonb),
               case :kind when 'contact' then cast(:event as jsonb) else '{}' end,
               case :kind when 'contact' then cast(:first as text) end, 'manual:' || id, now()
           from instance
           returning id""",
        kind=kind,
        record=record,
        explanation=explanation,
        event=event,
        first=first,
    )["id"]
    rows_of(
        database,
        """with activity as (
               insert into activities (id, entity_type, entity_id, type, subject, status)
               values (:activity, :kind, :record, 'task', 'Call ' || cast(:first as text), 'open')
           ),
           step as (
               insert into workflow_steps (execution_id, step_type, position, status, result)
               values (:run, 'action', 0, 'completed', cast(:result as jsonb)), (:run, 'action', 1, 'waiting', null)
               returning id, execution_id, position, result
           ),
           action as (
               insert into workflow_actions (execution_id, step_id, action_type, action_config, status, result)
               select execution_id, id, 'create_task', '{}', 'completed', result from step
           ),
           line as (
               insert into workflow_execution_logs (execution_id, level, message, data)
               values (:run, 'info', 'condition completed', cast(:result as jsonb))
           ),
           told as (
               insert into notifications (org_id, user_id, type, category, title, message, entity_type, entity_id)
               select org_id, id, 'info', 'workflow', 'Call ' || cast(:first as text), 'x', :kind, :record
               from user_profiles limit 1
           )
           insert into workflow_webhooks (id, org_id, execution_id, url, host, method, headers, body, next_attempt_at,
               created_at, updated_at)
           select gen_random_uuid(), default_org_id(), :run, 'https://hooks.example.com/?who=' || cast(:mail as text),
               'hooks.example.com', 'POST', jsonb_build_object('X-Who', cast(:mail as text)),
               jsonb_build_object('who', cast(:mail as text))::text, now(), now(), now()
           returning id""",
        activity=activity,
        kind=kind,
        record=record,
        run=run,
        first=first,
        mail=address,
        result=json.dumps({"activity_id": str(activity), "explanation": json.loads(explanation)}),
    )
