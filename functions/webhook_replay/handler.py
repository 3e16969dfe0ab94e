"""Messages of the deferred queue and of its dead-letter queue."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from webhook_replay.wiring import take_record


def handler(event: dict[str, Any], _context: object) -> Any:
    """Names the records that failed, so that only these come again."""
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=take_record, processor=processor)
