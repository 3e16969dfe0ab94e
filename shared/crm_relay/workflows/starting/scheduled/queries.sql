-- name: due_schedule
-- One that is due and that nobody is at, any of them: a schedule over many records holds up no other.
select workflow_id, trigger_index
from workflow_schedules
where next_at <= :now
order by random()
limit 1
for no key update skip locked;

-- name: hold_schedule
-- Where it is, locked; nothing where somebody else has it or it is not due any more.
select workflow_id, trigger_index, next_at, after_id
from workflow_schedules
where workflow_id = :workflow_id and trigger_index = :trigger_index and next_at <= :now
for no key update skip locked;

-- name: move_schedule
-- Records up to `after_id` have their runs of the occurrence; null: the next occurrence begins with the first.
update workflow_schedules
set next_at = :next_at, after_id = :after_id
where workflow_id = :workflow_id and trigger_index = :trigger_index;

-- name: remove_schedule
-- It is never due again, or the version that is active has no such trigger.
delete from workflow_schedules where workflow_id = :workflow_id and trigger_index = :trigger_index;
