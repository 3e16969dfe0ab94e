-- What notifications speak of a record: to withdraw them, to explain them and to erase them.
create index concurrently if not exists idx_notifications_entity on notifications (entity_id) where entity_id is not null;
