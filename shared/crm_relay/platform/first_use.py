"""Attributes that are made, with everything they import, when they are first read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - the instance
T = TypeVar("T")


class OnFirstUse(Generic[I, T]):
    """As functools.cached_property, and a type checker compares the instance with what `make` says of `self`."""

    def __init__(self, make: Callable[[I], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, instance: I, owner: type[Any] | None = None) -> T:
        # What is kept in the instance hides this descriptor from then on.
        made = self._make(instance)
        vars(instance)[self._name] = made
        return made


def on_first_use(make: Callable[[I], T]) -> OnFirstUse[I, T]:
    """Decorates a method that imports inside its body: no cold start pays for what is never read."""
    return OnFirstUse(make)
