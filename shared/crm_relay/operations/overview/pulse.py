"""How the installation is, for callers without a token: one statement in five seconds, however many ask."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.operations.overview import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import FatalError, TransientError

_FRESH = timedelta(seconds=5)


@dataclass
class Pulse:
    """Lives as long as its process."""

    db: Queryable
    _felt_at: datetime | None = None
    _felt: bool | TransientError | FatalError = False

    def is_stopped(self, now: datetime) -> bool:
        """Whether an operator stopped sending anywhere. What the last look found or raised while that is fresh."""
        if self._felt_at is None or not self._felt_at <= now < self._felt_at + _FRESH:
            self._felt_at, self._felt = now, self._feel()
        if isinstance(self._felt, Exception):
            raise self._felt.with_traceback(None)  # which would grow with each caller
        return self._felt

    def _feel(self) -> bool | TransientError | FatalError:
        try:
            return store.is_stopped(self.db)
        except (TransientError, FatalError) as error:
            return error
