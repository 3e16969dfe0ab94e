"""Entry point of integrity_check: every hour a look, at night a look at everything with fixes."""

from collections.abc import Mapping
from typing import Any

from crm_relay.platform.clock import LambdaContext
from integrity_check.wiring import check


def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """`{}`, or with `"full"`, `"fix"`, `"dry_run"` and `"approve": [checks]`; answers with counts per check."""
    return check(event, context)
