"""A circuit breaker around the database that the execution environments share; costs nothing while all is well."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from crm_relay.platform.errors import TransientError

T = TypeVar("T")

_FAILURES_TO_OPEN = 2
_SECONDS_OPEN = 30


class DatabaseCircuit:
    """After two failures in a row nobody calls the database for half a minute; then one environment tries.

    State is kept in the DynamoDB table `table`. It is neither read nor is boto3 imported until the first failure in
    this environment, and not any more after a success: so the healthy path is a plain call. Where DynamoDB is away the
    circuit counts as closed.
    """

    def __init__(self, table: str, *, name: str = "database", seconds_open: int = _SECONDS_OPEN) -> None:
        self._table = table
        self._name = name
        self._seconds_open = seconds_open
        self._guard: Callable[[Callable[[], Any]], Any] | None = None

    def call(self, work: Callable[[], T]) -> T:
        """What `work` returns. Raises what it raises, or TransientError at once while the circuit is open."""
        if self._guard is not None:
            result: T = self._guard(work)
            self._guard = None
            return result
        try:
            return work()
        except TransientError as error:
            failure = error
        self._guard = self._new_guard()
        # The breaker has to count the failure that made us build it.
        self._guard(lambda: _again(failure))
        raise failure

    def _new_guard(self) -> Callable[[Callable[[], Any]], Any]:
        # Imported here: it brings boto3 along, which the healthy path never needs.
        import boto3
        from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
        from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
        from botocore.config import Config

        # One short try: anyone who waits here waits for the database as well.
        patience = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
        store = CircuitBreakerDynamoDBPersistence(self._table, boto3_client=boto3.client("dynamodb", config=patience))
        config = CircuitBreakerConfig(
            failure_threshold=_FAILURES_TO_OPEN,
            recovery_timeout=self._seconds_open,
            success_threshold=1,
            handled_exceptions=TransientError,
        )
        guarded: Callable[[Callable[[], Any]], Any] = circuit_breaker(
            f"circuit#{self._name}", store, on_circuit_open=_refuse, config=config
        )(_call)
        return guarded


def _call(work: Callable[[], T]) -> T:
    return work()


def _again(failure: TransientError) -> NoReturn:
    raise failure


def _refuse(_work: Callable[[], Any], **_circuit: Any) -> NoReturn:
    raise TransientError("the database is given a rest after it failed")
