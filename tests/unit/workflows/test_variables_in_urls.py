"""What a record holds stays in its place of a webhook's address."""

from urllib.parse import parse_qs, urlsplit

import pytest

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.guarded.targets import read_target
from crm_relay.rules.record_conditions import ConditionSubject, RecordFacts
from crm_relay.workflows.variables import fill_url

HOSTILE = [
    "a&b=c",
    "a b",
    "x#y",
    "x?y",
    "../admin",
    "a/b",
    "@evil.example/",
    "\\\\evil.example",
    "a\r\nHost: b",
    "\u3002\uff0f",
    "%2e%2e",
]


def filled(url: str, name: object) -> str:
    return fill_url(url, ConditionSubject("deal", RecordFacts({"name": name})), "Won deals")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_value_stays_in_its_parameter_and_its_segment(name: str) -> None:
    url = filled("https://hooks.example.com/deals/{{deal.name}}/won?name={{deal.name}}&by={{workflow.name}}", name)
    target, parts = read_target(url), urlsplit(url)
    assert (target.host, target.url) == ("hooks.example.com", url)
    assert parse_qs(parts.query) == {"name": [name], "by": ["Won deals"]}
    assert len(parts.path.split("/")) == 4


@pytest.mark.parametrize("name", [".", ".."])
def test_a_value_that_leads_to_another_path_is_refused(name: str) -> None:
    with pytest.raises(RejectedInput, match="another path"):
        filled("https://hooks.example.com/deals/{{deal.name}}", name)
    assert filled("https://hooks.example.com/deals?name={{deal.name}}", name).endswith(f"?name={name}")


@pytest.mark.parametrize("name", [None, " "])
def test_a_blank_value_gives_way_to_its_default(name: str | None) -> None:
    assert filled("https://hooks.example.com/{{deal.name|unnamed}}", name) == "https://hooks.example.com/unnamed"
