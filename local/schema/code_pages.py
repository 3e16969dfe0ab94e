"""Functions, views and triggers."""

import re

from local.schema.catalogue import Catalogue, EventTrigger, Function, SchemaView, TableTrigger
from local.schema.layout import INDENT, WIDTH, comment_on, literal, lowered, plain, wrapped
from local.schema.queries import reflowed
from local.schema.rights import Rights

_BODY = re.compile(r"\nAS (?P<tag>\$\w*\$)(?P<body>.*)(?P=tag)\s*\Z", re.DOTALL)
_OPTION = re.compile(r"(?= (?:after|before|instead of)\b)| (?=(?:referencing|for each|when|execute) )")


def function_page(functions: list[Function], rights: Rights) -> list[str]:
    """Each function with its comment and rights; bodies are as they were written."""
    return [
        "\n".join(
            [
                _function(each),
                *comment_on(f"{each.kind} {lowered(each.signature)}", each.comment),
                *(wrapped(lowered(line)) for line in rights.statements(each.signature)),
            ]
        )
        for each in functions
    ]


def _function(function: Function) -> str:
    found = _BODY.search(function.definition)
    head = function.definition[: found.start()] if found else function.definition.partition("\nBEGIN ATOMIC")[0]
    if not found:
        head = head.partition("\n RETURN ")[0]
    first, *clauses = _head(head, function)
    lines = [first, *(f"{INDENT}{clause}" for clause in clauses)]
    if not found:
        return "\n".join([*lines, lowered(function.definition[len(head) :]).strip("\n") + ";"])
    tag = "$$" if "$$" not in found["body"] else found["tag"]
    return "\n".join([*lines, f"as {tag}{found['body']}{tag};"])


def _head(head: str, function: Function) -> list[str]:
    """Name and arguments, then a clause a line; all arguments below each other where they do not fit."""
    arguments = lowered(function.arguments)
    before, _, after = lowered(head).partition(f"({arguments})")
    clauses = [plain(clause) for clause in after.strip().splitlines()]
    name = before.replace("create or replace ", "create ").replace(" public.", " ").strip()
    first = f"{name}({arguments})"
    if len(first) > WIDTH:
        first = f"{name}(\n" + ",\n".join(INDENT + each for each in _split(arguments)) + "\n)"
    return [first, *(wrapped(clause, INDENT).strip() for clause in clauses)]


def _split(arguments: str) -> list[str]:
    """At the commas outside brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in arguments:
        quoted ^= letter == "'"
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def view(one: SchemaView, catalogue: Catalogue, rights: Rights, indexes: list[str]) -> str:
    """Its query reflowed, then comments, indexes and rights."""
    kind = "materialized view" if one.is_materialized else "view"
    options = f" with ({one.options.replace('=', ' = ')})" if one.options else ""
    lines = [f"create {kind} {one.name}{options} as", f"{reflowed(one.definition)};", ""]
    lines += comment_on(f"{kind} {one.name}", one.comment)
    for column in catalogue.columns.get(one.name, []):
        lines += comment_on(f"column {one.name}.{column.name}", column.comment)
    return "\n".join([*lines, *indexes, *rights.statements(one.name)])


def trigger(one: TableTrigger) -> str:
    """When it fires on the first line, what it runs on the last."""
    head, *clauses = _OPTION.split(plain(one.definition))
    lines = [head, *(wrapped(clause.strip(), INDENT) for clause in clauses)]
    said = ["\n".join(lines) + ";", *comment_on(f"trigger {one.name} on {one.table_name}", one.comment)]
    return "\n".join(said + ([f"alter table {one.table_name} {one.state} trigger {one.name};"] if one.state else []))


def event_trigger(one: EventTrigger) -> str:
    """It fires on statements that change the schema."""
    lines = [f"create event trigger {one.name}", f"{INDENT}on {one.event}"]
    lines += [f"{INDENT}when tag in ({', '.join(literal(tag) for tag in one.tags)})"] if one.tags else []
    lines += [f"{INDENT}execute function {one.function}();"]
    lines += comment_on(f"event trigger {one.name}", one.comment)
    return "\n".join(lines + ([f"alter event trigger {one.name} {one.state};"] if one.state else []))
