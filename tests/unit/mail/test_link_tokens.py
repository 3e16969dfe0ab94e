"""A link that we signed is known as ours by its token alone."""

import re

import pytest

from crm_relay.mail.feedback.unsubscribe import may_be_token
from crm_relay.mail.link_tokens import is_signed_link, new_link_token

KEY, OLDER = "the key of the links", "an older key of the links"


def test_a_token_is_known_by_each_valid_key_and_by_no_other() -> None:
    token = new_link_token([OLDER])
    assert is_signed_link(token, [KEY, OLDER])
    assert not is_signed_link(token, [KEY])
    assert not is_signed_link(token, [])


@pytest.mark.parametrize("keys", [[], [KEY]])
def test_tokens_differ_and_stand_in_a_path_as_they_are(keys: list[str]) -> None:
    tokens = {new_link_token(keys) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(may_be_token(each) and re.fullmatch(r"[A-Za-z0-9_-]{32,46}", each) for each in tokens)


def test_a_token_that_was_changed_anywhere_is_not_ours() -> None:
    token = new_link_token([KEY])
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token) - 1)]
    assert not any(is_signed_link(each, [KEY]) for each in (*changed, token[:-1], token + "A", "", "é" * 46))


def test_a_token_of_before_there_was_a_key_is_not_signed() -> None:
    assert not is_signed_link(new_link_token([]), [KEY])
