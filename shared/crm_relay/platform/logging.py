"""The structured log: ids and counts, never an address, a name, a body or a token."""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """The process's JSON logger; service and level come from POWERTOOLS_SERVICE_NAME and LOG_LEVEL."""
    return Logger(utc=True, log_uncaught_exceptions=False)


def count_metric(name: str, value: float = 1, **dimensions: str) -> None:
    """One CloudWatch count through the log (embedded metric format), in the namespace that the alarms watch."""
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace="CrmRelay")
    for key, text in dimensions.items():
        metrics.add_dimension(name=key, value=text)
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
