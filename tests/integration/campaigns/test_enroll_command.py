"""crm-relay campaign enroll names people whom nobody knows, and the command that brings them in."""

from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from tests.support.campaigns.campaign_harness import CampaignHarness, step


def enrolled(campaigns: CampaignHarness, *words: str) -> tuple[int, str]:
    environment = {"DATABASE_URL": campaigns.url, "COLUMNS": "200"}
    done = CliRunner().invoke(app, ["campaign", "enroll", *words], env=environment)
    return done.exit_code, done.output


def test_unknown_people_are_named_with_the_command_that_imports_them(
    campaigns: CampaignHarness, tmp_path: Path
) -> None:
    campaign = str(campaigns.campaign(step("task", 1)))
    file = tmp_path / "my people.csv"
    file.write_text("email,first name\nperson1@example.com,Ada\nnew@example.com,Ben\n", encoding="utf-8")
    campaigns.contact()
    code, printed = enrolled(campaigns, campaign, "--csv", str(file))
    sentence = f"Unknown: new@example.com. To bring them in: crm-relay import contacts '{file}', then enroll again."
    assert (code, sentence in printed) == (1, True), printed
    imported = CliRunner().invoke(app, ["import", "contacts", str(file)], env={"DATABASE_URL": campaigns.url})
    assert imported.exit_code == 0
    assert enrolled(campaigns, campaign, "--csv", str(file))[0] == 0


def test_of_many_unknown_people_the_first_twenty_are_named(campaigns: CampaignHarness, tmp_path: Path) -> None:
    campaign = str(campaigns.campaign(step("task", 1)))
    file = tmp_path / "people.csv"
    file.write_text("email\n" + "".join(f"p{n:04}@example.com\n" for n in range(1_500)), encoding="utf-8")
    code, printed = enrolled(campaigns, campaign, "--csv", str(file))
    assert (code, printed.count("@example.com"), " and 1,480 more." in printed) == (1, 20, True)
