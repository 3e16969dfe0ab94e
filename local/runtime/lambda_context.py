"""The second argument of a handler, with the clock of the template's time-out running."""

import time
import uuid
from dataclasses import dataclass, field

from local.template.template import ACCOUNT, REGION, FunctionDefinition


@dataclass(frozen=True)
class LocalLambdaContext:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html; `ends_at` is on the monotonic clock."""

    function_name: str
    memory_limit_in_mb: int
    ends_at: float
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @classmethod
    def of(cls, function: FunctionDefinition) -> "LocalLambdaContext":
        return cls(function.name, function.memory, time.monotonic() + function.timeout)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return "local"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends_at - time.monotonic()) * 1000))
