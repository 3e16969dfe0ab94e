"""update_field: writes one allow-listed column of the record."""

from crm_relay.workflows.actions.configs import UpdateFieldConfig
from crm_relay.workflows.actions.effects import FieldWrite, StepMade, StepMoment
from crm_relay.workflows.writable_fields import check_column


def update_field(config: UpdateFieldConfig, at: StepMoment) -> StepMade:
    """The table casts the value to the column's type; one that it cannot cast is an error of this run alone."""
    check_column(at.run.entity_type, config.field)
    value = at.text(config.value) if isinstance(config.value, str) else config.value
    write = FieldWrite(at.run.entity_type, at.run.entity_id, {config.field: value}, at.run.triggered_by)
    return StepMade((write,), {"field": config.field})
