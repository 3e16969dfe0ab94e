"""The stacks that a template nests, read with the values that it gives them."""

from typing import Any

from local.template.template import SamTemplate


def nested_stacks(template: SamTemplate) -> dict[str, SamTemplate]:
    """Logical id -> the nested template; names of resources outside it are `Unresolved` there too."""
    stacks = template.resources("AWS::CloudFormation::Stack")
    return {
        logical_id: SamTemplate.read(
            template.folder / properties["TemplateURL"], template.evaluate(properties["Parameters"])
        )
        for logical_id, properties in stacks.items()
    }


def alarms(template: SamTemplate) -> dict[str, dict[str, Any]]:
    """Every alarm of the template and of its nested stacks by its name without the stack's, evaluated."""
    own = [template.evaluate(each) for each in template.resources("AWS::CloudWatch::Alarm").values()]
    inner = [each for stack in nested_stacks(template).values() for each in alarms(stack).values()]
    return {each["AlarmName"].rpartition("-")[2]: each for each in (*own, *inner)}
