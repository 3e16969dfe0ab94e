"""How the local stack reads CloudFormation's YAML."""

from pathlib import Path
from typing import Any

import pytest

from local.template.intrinsics import Evaluator, TemplateError, Unresolved, load_template

KNOWN = {("Stage", None): "dev", ("Queue", "Arn"): "arn:queue"}
EVALUATOR = Evaluator(
    lambda name, attribute: KNOWN.get((name, attribute)),
    {"IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]}, "IsNot": {"Fn::Not": [{"Condition": "IsDev"}]}},
)


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("!Ref Stage", "dev"),
        ("!GetAtt Queue.Arn", "arn:queue"),
        ("!Ref Later", Unresolved("Later", None)),
        ("!Sub a-${Stage}-${Queue.Arn}-${!Literal}", "a-dev-arn:queue-${Literal}"),
        ("!Sub a-${Later.Arn}", Unresolved("Later", "Arn")),
        ('!Sub ["${x}/${Stage}", {x: !Ref Stage}]', "dev/dev"),
        ("!If [IsDev, yes it is, no]", "yes it is"),
        ("!If [IsNot, 1, {a: !Ref Stage}]", {"a": "dev"}),
        ("{a: !If [IsNot, 1, !Ref 'AWS::NoValue'], b: 2}", {"b": 2}),
        ("[1, !Ref 'AWS::NoValue']", [1]),
        ("!Join ['-', [a, !Ref Stage]]", "a-dev"),
        ("!And [!Condition IsDev, !Not [!Condition IsNot]]", True),
        ("!Or [!Condition IsNot, !Condition IsNot]", False),
    ],
)
def test_evaluates(tmp_path: Path, yaml: str, expected: Any) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(f"value: {yaml}\n")
    assert EVALUATOR.evaluate(load_template(path)["value"]) == expected


@pytest.mark.parametrize("node", [{"Fn::Cidr": ["10.0.0.0/16", 6, 5]}, {"Fn::If": ["Nowhere", 1, 2]}])
def test_what_it_does_not_know_is_refused(node: Any) -> None:
    with pytest.raises(TemplateError):
        EVALUATOR.evaluate(node)
