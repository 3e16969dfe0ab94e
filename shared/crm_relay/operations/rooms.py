"""Which rooms an installation has: the template's parameters leave some out."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from crm_relay.platform.settings import split_commas

RoomName = Literal["mautic", "emailbison", "campaigns", "edge_cache", "notifications", "workflows", "connections"]
ROOMS: tuple[RoomName, ...] = get_args(RoomName)

LeftOutRooms = Annotated[
    tuple[RoomName, ...],
    BeforeValidator(split_commas),
    Field(
        description="Rooms that are not installed: `mautic`, `emailbison`, `campaigns`, `edge_cache`, "
        "`notifications`, `workflows`, `connections`, separated by commas. The template sets it from its parameters."
    ),
]


def installed_rooms(left_out: tuple[RoomName, ...]) -> list[RoomName]:
    """The others, in their usual order."""
    return [room for room in ROOMS if room not in left_out]
