"""Every generated file by its path in the repository."""

from local.docs.api_pages import api_with_routes
from local.docs.command_pages import cli_page
from local.docs.cost_pages import cost_page
from local.docs.function_pages import functions_page, readme_with_functions
from local.docs.settings_pages import example_environment, settings_page
from local.stack_file import ROOT
from local.template.template import SamTemplate


def generated_files() -> dict[str, str]:
    """What each of them has to contain now; nothing is written."""
    template = SamTemplate.read(ROOT / "template.yaml")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return {
        "README.md": readme_with_functions(readme, template),
        "docs/functions.md": functions_page(template),
        "docs/settings.md": settings_page(template),
        "docs/cli.md": cli_page(),
        "docs/api.md": api_with_routes((ROOT / "docs" / "api.md").read_text(encoding="utf-8")),
        "docs/cost.md": cost_page((ROOT / "docs" / "cost.md").read_text(encoding="utf-8"), template),
        ".env.example": example_environment(),
    }
