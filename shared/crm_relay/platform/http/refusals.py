"""Bounds what unknown callers cost: after so many refusals a door asks nobody about them until a minute has passed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_REFUSALS = 10
_PERIOD = timedelta(minutes=1)


@dataclass
class RefusalBudget:
    """Refused calls that one process may look up or record within a minute.

    One budget for all unknown callers of a door: whatever a caller can choose is no key, since it would be another one
    with the next call. What a process knows to be its own, such as a workspace by its retired token, may have one each.
    """

    limit: int = MOST_REFUSALS
    _begun: datetime | None = None
    _spent: int = 0

    def is_spent(self, now: datetime) -> bool:
        """Whether nothing more may be asked or recorded now."""
        self._renew(now)
        return self._spent >= self.limit

    def spend(self, now: datetime) -> None:
        """Before it is asked or recorded: what is asked of, such as a database that is away, may never answer."""
        self._renew(now)
        self._spent += 1

    def give_back(self, now: datetime) -> None:
        """The caller turned out to be known: it was no refusal."""
        self._renew(now)
        self._spent = max(self._spent - 1, 0)

    def spend_all(self, now: datetime) -> None:
        """Nothing more is worth recording in this minute."""
        self._renew(now)
        self._spent = self.limit

    def _renew(self, now: datetime) -> None:
        # A clock that was set back begins again as well: nobody stays locked out until it has caught up.
        if self._begun is None or not self._begun <= now < self._begun + _PERIOD:
            self._begun, self._spent = now, 0
