"""Which recording is replayed over which preconditions, which is covered elsewhere, and which is not and why."""

from __future__ import annotations

from tests.contract.providers.mautic import mautic_preconditions as given
from tests.contract.providers.mautic.mautic_later import LATER
from tests.contract.providers.mautic.mautic_preconditions import Setup
from tests.contract.providers.mautic.mautic_recordings import names

REPLAYED: dict[str, Setup] = {
    "01_api_disabled_403": given.switched(api_enabled=False),
    "03_expired_token": lambda stage: stage.sim.expire_tokens(),
    "21_field_long_alias_truncated": given.boolean_field,
    "21_field_unique_flag_spelled_Identifer": given.two_more_fields,
    "21_field_unique_flag_spelled_Identifier": given.unique_field,
    "22_fields_list_default": given.two_more_fields,
    "22_fields_list_limit100": given.two_more_fields,
    "22_fields_search": given.two_more_fields,
    "23_field_delete": given.unique_field,
    "31_contact_get": given.ana(),
    "32_contact_new_duplicate_email": given.ana(),
    "32_contact_new_duplicate_email_case": given.ana(firstname="Ana2"),
    "32_contact_new_same_supabase_id_other_email": given.ana(firstname="AnaUpper", email="ANA@Example.com"),
    "33_contact_patch": given.ana(firstname="AnaUpper", email="ana.new@example.com"),
    "35_contacts_list_minimal": given.eighty_six,
    "35_contacts_list_page": given.eighty_six,
    "35_contacts_list_past_end": given.eighty_six,
    "35_contacts_search_email": given.exz_named,
    "35_contacts_search_supabase_id": given.conflicting,
    "35_contacts_where_supabase_id": given.conflicting,
    "37_tags_add_and_remove": given.with_zeros,
    "42_batch_new_existing_and_new": lambda stage: stage.contact(
        62, email="b0@example.com", firstname="B0", supabase_id="b-0"
    ),
    "50_patch_email_of_other_contact_422": given.edited,
    "52_batch_new_existing_zero_blank": given.exz,
    "52_batch_new_existing_zero_blank_overwrite": given.exz_opted_out,
    "53_batch_new_only_id_key": given.exz,
    "53_batch_new_with_id_key": given.exz_cleared,
    "49_batch_edit_put_zero_values": given.before_zeros,
    "60_segment_new_at": given.before_segment(2),
    "60_segment_new_newsletter": given.before_segment(3),
    "60_segment_new_duplicate_name": given.before_segment(4),
    "60_segment_new_with_filter": given.before_segment(5),
    "62_segment_contact_add_again": given.joined,
    "63_segment_contacts_bulk_add_259_ids": given.many_people,
    "64_segment_contact_remove": given.joined,
    "65_contact_segments_list": given.one_in_newsletter,
    "65_contact_segments_list_empty": given.one_in_newsletter,
    "65_contacts_search_by_segment": given.sixty_two_members,
    "66_add_to_unpublished_segment": given.unpublished,
    "70_dnc_add_again": given.suppressed(62, 3, "opt out in supabase"),
    "70_dnc_manual_over_unsubscribed": given.suppressed(65, 1, "unsub"),
    "71_dnc_remove": given.suppressed(62, 3, "opt out in supabase"),
    "71_dnc_remove_of_unsubscribed": given.suppressed(65, 1, "unsub"),
    "72_batch_new_with_doNotContact": given.batch_people,
    "72_batch_edit_with_doNotContact": given.batch_free,
    "72_batch_new_remove_dnc_reason_0": given.batch_stopped,
    "73_contacts_search_dnc_any": given.eighty_six,
    "80_contact_delete": given.twin,
    "94_email_new": given.nothing,
    "91_hook_new_without_secret": given.hooks(1),
    "91_hook_new_nonexistent_triggers": given.hooks(2),
    "92_hooks_list": given.hooks(3),
    "120_rate_limit_ok": given.switched(rate_limit=5),
    "121_db_down_api": given.switched(database_down=True),
    "121_db_down_token": given.switched(database_down=True),
    **LATER,
}
BY_PREFIX: list[tuple[str, Setup]] = [
    ("02_token_", given.nothing),
    ("03_", given.nothing),
    ("21_field_", given.nothing),
    ("30_", given.nothing),
    ("33_", given.nothing),
    ("40_", given.nothing),
    ("41_", given.nothing),
    ("43_", given.nothing),
    ("44_", given.nothing),
    ("45_", given.nothing),
    ("46_", given.nothing),
    ("47_", given.nothing),
    ("48_", given.edited),
    ("49_", given.edited),
    ("51_", given.conflicting),
    ("54_", given.duplicated),
    ("60_", given.nothing),
    ("61_", given.segments_only),
    ("62_", given.in_segments),
    ("63_", given.in_segments),
    ("64_", given.in_segments),
    ("66_", given.in_segments),
    ("70_", given.batch_people),
    ("71_", given.batch_people),
    ("80_", given.nothing),
    ("81_", given.anonymous_people),
    ("90_", given.nothing),
    ("91_", given.nothing),
    ("94_", given.an_email),
    ("122_", given.nothing),
]
# Recording -> the test of this suite that covers it in another way than by sending its request once.
OWN_TEST = {
    "34_value_summary": "test_every_value_probe_leaves_the_recorded_effect",
    "36_datetime_timezone": "test_dates_are_stored_as_recorded_whatever_the_offset",
    "36_datetime_timezone_newyork": "test_dates_are_stored_as_recorded_whatever_the_offset",
    "93_batch_new_while_webhook_gets_killed": "test_a_killed_webhook_breaks_the_batch_after_its_first_contact",
    "93_contact_patch_while_webhook_gets_killed": "test_a_killed_webhook_breaks_the_call_after_the_write",
    "98_contact_after_unsubscribe": "test_an_unsubscribed_contact_reads_as_recorded",
    "120_rate_limit_exceeded": "test_beyond_the_rate_limit_every_call_is_refused_without_retry_after",
    "120_token_while_rate_limited": "test_beyond_the_rate_limit_every_call_is_refused_without_retry_after",
    "122_trailing_ok": "test_without_an_order_the_last_active_contact_comes_first",
    "102_hook_delivery_failure_modes": "test_an_error_answer_still_deletes_the_ten_events_just_sent",
    "100_hook_queue_mode_batch_of_10": "test_queue_mode_sends_up_to_ten_events_grouped_by_type",
    "100_hook_queue_mode_last": "test_queue_mode_sends_up_to_ten_events_grouped_by_type",
    "99_hook_ui_test_payload": "test_every_recorded_delivery_verifies_with_the_secret",
    "99_hook_ui_test_payload_email_on_send": "test_every_recorded_delivery_verifies_with_the_secret",
    "95_hook_lead_list_change_by_segment_rebuild": "test_every_recorded_delivery_verifies_with_the_secret",
}
NOT_REPLAYED = {
    "110_speed": "timings of the real machine; the simulator is meant to be quick",
    "94_email_send_smtp_550": "the simulator has no mail server that could refuse",
    "94_email_send_to_segment": "its counts include the refusal of a mail server",
    "96_unsubscribe_get": "an HTML page; its effect is held by the hook recordings",
    "96_resubscribe_get": "an HTML page; its effect is held by the hook recordings",
    "97_hook_smtp_550_at_send__email_on_send": "the simulator has no mail server that could refuse",
}
PAGES = ("96_",)  # status and content type only: bodies are pages and pictures


def setup_for(name: str) -> Setup | None:
    if name in OWN_TEST or name in NOT_REPLAYED:
        return None
    if name in REPLAYED:
        return REPLAYED[name]
    if name.startswith("34_value_"):
        return given.probed(name)
    if name.startswith("20_"):
        return given.nothing
    return next((setup for prefix, setup in BY_PREFIX if name.startswith(prefix)), None)


def replayed_names() -> list[str]:
    return [name for name in names() if setup_for(name) is not None]


def hook_names() -> list[str]:
    return [name for name in names() if name.startswith(("95_", "97_")) and name not in {*OWN_TEST, *NOT_REPLAYED}]


def page_names() -> list[str]:
    return [name for name in names() if name.startswith(PAGES) and name not in NOT_REPLAYED]
