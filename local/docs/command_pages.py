"""docs/cli.md, from the commands of crm-relay."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main

from cli.main import app
from local.docs.markdown import GENERATED, code, page, table

_HEAD = f"""\
{GENERATED}
# Command line

Every `make` target that runs something installs `.venv/bin/crm-relay`. It works against any installation: settings come
from the environment or from `--env-file FILE`, whose values override it; without either, from a local stack that runs
(`make up`). Every command that reports takes `--json`.

| exit status | meaning |
|---|---|
| 0 | good |
| 1 | found something, described with each command |
| 2 | wrong use, wrong settings, or a defect of crm-relay, whose traceback is in `build/crm-relay-error.log` |
| 130 | ended by Ctrl-C |

An error is one line on standard error, followed by a line for each detail. Under `--json` it is
`{{"error": "…", "details": […]}}` on standard output, as in the [API](api.md).
"""
_ON_EVERY_PAGE = {"--env-file", "--json", "--help"}


def commands(command: Any = None, path: str = "crm-relay") -> Iterator[tuple[str, Any]]:
    """(full name, command) of every command that does something; a group alone only shows its help."""
    command = typer.main.get_command(app) if command is None else command
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{path} {name}")


def cli_page() -> str:
    """docs/cli.md: the list of all commands, then each of them."""
    found = sorted(commands(), key=lambda each: (each[0].count(" ") > 1, each[0]))
    lines = _HEAD.splitlines()
    lines += ["", "## All commands", ""]
    lines += table(("command", "what it does"), [(_link(path), _paragraphs(one)[0]) for path, one in found])
    for path, command in found:
        lines += ["", *_section(path, command)]
    return page(lines)


def _link(path: str) -> str:
    return f"[{code(path)}](#{path.replace(' ', '-')})"


def _section(path: str, command: Any) -> list[str]:
    usage = " ".join([path, *(_argument(each) for each in command.params if each.param_type_name == "argument")])
    lines = [f"## {path}", "", "```sh", usage + _options_in_usage(command), "```"]
    for paragraph in _paragraphs(command):
        lines += ["", paragraph]
    rows = [row for each in command.params if (row := _row(each)) is not None]
    return [*lines, "", *table(("option", "meaning", "default"), rows)] if rows else lines


def _options_in_usage(command: Any) -> str:
    required = [f" {each.opts[0]} {each.name.upper()}" for each in command.params if _is_option(each) and each.required]
    optional = any(_is_option(each) and not each.required for each in command.params)
    return "".join(required) + (" [OPTIONS]" if optional else "")


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option" and parameter.opts[0] != "--help")


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    name = name.strip("[]{}").removesuffix("...")
    shown = f"{name}…" if parameter.nargs == -1 else name
    return shown if parameter.required else f"[{shown}]"


def _row(parameter: Any) -> tuple[str, str, str] | None:
    if parameter.opts[0] in _ON_EVERY_PAGE:
        return None
    help_text = getattr(parameter, "help", None) or ""
    if parameter.param_type_name == "argument":
        return (code(_argument(parameter).strip("[]")), help_text, "") if help_text else None
    default = "" if parameter.default in (None, False) or parameter.required else code(str(parameter.default))
    return code(parameter.opts[0]), help_text, "required" if parameter.required else default


def _paragraphs(command: Any) -> list[str]:
    """Of the docstring, each on one line."""
    text = inspect.cleandoc(command.help or "")
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
