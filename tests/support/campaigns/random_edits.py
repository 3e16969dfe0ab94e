"""What an application may do to campaigns, steps, templates and caps by SQL, and what puts it right again."""

# What an application may do to one campaign (:campaign); some of it breaks it, some the database refuses.
EDITS = (
    "update campaigns set timezone = 'Mars/Olympus' where id = :campaign",
    "update campaigns set timezone = 'Asia/Tokyo' where id = :campaign",
    "update campaigns set send_days = '{monday}' where id = :campaign",
    "update campaigns set send_days = '{mon,wed,sat}' where id = :campaign",
    "update campaigns set send_window_start = '13:00', send_window_end = '13:00' where id = :campaign",
    "update campaigns set send_window_start = '22:00', send_window_end = '04:00' where id = :campaign",
    "update campaigns set status = 'paused' where id = :campaign and status = 'active'",
    "update campaigns set status = 'active' where id = :campaign and status = 'paused'",
    "update campaign_sequences set subject = 'Hi {{contact.nick}}' where campaign_id = :campaign and step_number = 1",
    "update campaign_sequences set subject = null where campaign_id = :campaign and step_number = 3",
    "update campaign_sequences set template_id = null where campaign_id = :campaign",
    "update campaign_sequences set body_html = '<p>{{contact.first_name</p>' where campaign_id = :campaign",
    "update campaign_sequences set is_active = not is_active where campaign_id = :campaign and step_number = 2",
    "update campaign_sequences set ab_variants = '[]' where campaign_id = :campaign",
    """update campaign_sequences set ab_variants = '[{"id": "a", "subject": "{{x}}"}]' where campaign_id = :campaign
       and channel = 'email'""",
    """update campaign_sequences set skip_conditions = '[{"field": "shoe_size", "operator": "eq", "value": 1}]'
       where campaign_id = :campaign""",
    "update campaign_sequences set task_config = '[1]' where campaign_id = :campaign",
    "update campaign_sequences set delay_days = 9999999 where campaign_id = :campaign",
    "update campaign_sequences set delay_days = 2, delay_hours = 3 where campaign_id = :campaign and step_number = 3",
    "update email_templates set body_html = '<p>{{nobody}}</p>'",
    "update email_identities set paused_at = now()",
    "update email_identities set from_address = 'no address'",
    "update organizations set postal_address = null",
    """insert into delivery_limits (org_id, emails_per_minute, cap_emails, cap_days) values (default_org_id(), 3, 1, 2)
       on conflict (org_id) do update set emails_per_minute = 3, cap_emails = 1, cap_days = 2""",
    "delete from delivery_limits",
)  # fmt: skip

REPAIRS = (
    """update campaigns set timezone = 'America/New_York', send_days = '{mon,tue,wed,thu,fri,sat,sun}',
       send_window_start = '00:00', send_window_end = '23:59', status = 'active'""",
    """update campaign_sequences set subject = 'Step', body_html = '<p>Hi</p>', ab_variants = null,
       skip_conditions = '[]', task_config = null, delay_days = 0, delay_hours = 1 where channel = 'email'""",
    "update campaign_sequences set ab_variants = null, skip_conditions = '[]', task_config = null, delay_days = 0",
    "update email_templates set body_html = '<p>Hi</p>'",
    "update email_identities set paused_at = null, from_address = 'sender@example.com'",
    "update organizations set postal_address = '1 Example Street'",
    "delete from delivery_limits",
)
