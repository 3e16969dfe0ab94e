"""An invocation of integration_sync, with time for whatever is due."""


class SyncInvocation:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 600_000
