"""The shape of a campaign file, for the command line and the API; what it says is checked in check_definition."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crm_relay.campaigns.ab.ab_test import ALPHA, POWER
from crm_relay.platform.errors import RejectedInput

_MOST_PROBLEMS = 50
_WORDS = {"extra_forbidden": "there is no such field", "missing": "is missing"}
_STORABLE = r"^[^\x00]*$"

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=_STORABLE)]
Line = Annotated[str, Field(max_length=998, pattern=_STORABLE)]
"""Longer than a line of a mail may be is no subject. https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1"""
Text = Annotated[str, Field(max_length=200_000, pattern=_STORABLE)]
Address = Annotated[
    str, Field(min_length=3, max_length=320, pattern=r"^[^\s<>@,;\"\x00-\x1f]+@[^\s<>@,;\"\x00-\x1f]+$")
]
Domain = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Topic = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM")]


class Part(BaseModel):
    """Nothing unknown is taken: a misspelt field would be a rule that silently does not hold."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class WindowOfFile(Part):
    """Days and hours in which steps are done, on the clock of the campaign's zone."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = ["mon", "tue", "wed", "thu", "fri"]
    start: Clock = "09:00"
    end: Clock = "17:00"


class Delay(Part):
    """From the step before, or from the activation."""

    days: Annotated[int, Field(ge=0, le=3650)] = 0
    hours: Annotated[int, Field(ge=0, le=8760)] = 0
    minutes: Annotated[int, Field(ge=0, le=525_600)] = 0

    @property
    def whole(self) -> timedelta:
        """All of it."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


class Condition(Part):
    """Skips the step where it is true. `field`: of the enrollment, or `contact.x`; `value` is left out for is_null."""

    field: Word
    operator: Word
    value: (
        Annotated[str, Field(max_length=1000, pattern=_STORABLE)]
        | bool
        | int
        | Annotated[float, Field(allow_inf_nan=False)]
        | None
    ) = None


class VariantOfStep(Part):
    """What an A/B step sends to its share of the people; what is left out comes from the step, then the template."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    subject: Line | None = None
    body_html: Text | None = None
    body_text: Text | None = None


class AbTest(Part):
    """How a winner is found: once, when as many got each variant as an effect of this size asks for."""

    metric: Literal["opened", "clicked", "replied"] = "opened"
    base_rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    effect: Annotated[float, Field(gt=0, lt=1)] = 0.05
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = ALPHA
    power: Annotated[float, Field(ge=0.5, lt=1)] = POWER
    wait_hours: Annotated[int, Field(ge=1, le=2160)] = 72


class Task(Part):
    """Work for a person, due `due_hours` after the step."""

    title: Word | None = None
    description: Text | None = None
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    due_hours: Annotated[int, Field(ge=1, le=8760)] = 24


class StepOfFile(Part):
    """One step; its number is its place in the list."""

    channel: Literal["email", "linkedin", "phone", "sms", "task", "wait"]
    delay: Delay = Delay()
    subject: Line | None = None
    body_html: Text | None = None
    body_text: Text | None = None
    template: Slug | None = None
    variants: Annotated[tuple[VariantOfStep, ...], Field(max_length=20)] = ()
    ab_test: AbTest | None = None
    skip_conditions: Annotated[tuple[Condition, ...], Field(max_length=50)] = ()
    stop_on_reply: bool = True
    task: Task | None = None
    active: bool = True


class Sender(Part):
    """The sender: an identity of the organization, made where there is none with this address."""

    from_address: Address
    from_name: Annotated[str, Field(max_length=200, pattern=_STORABLE)] | None = None
    reply_to: Address | None = None
    inbound_domain: Domain | None = None


class Definition(Part):
    """A whole campaign. `identity` None: the organization's own, else EMAIL_FROM."""

    name: Word
    description: Annotated[str, Field(max_length=2000, pattern=_STORABLE)] | None = None
    window: WindowOfFile = WindowOfFile()
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "America/New_York"
    use_recipient_timezone: bool = False
    topic: Topic | None = None
    late_policy: Literal["send", "skip", "send_within"] = "send"
    late_minutes: Annotated[int, Field(ge=1, le=525_600)] = 60
    stop_company_on_reply: bool = False
    identity: Sender | None = None
    steps: Annotated[list[StepOfFile], Field(min_length=1, max_length=100)]


def read_definition(given: Mapping[str, Any]) -> Definition:
    """RejectedInput with 422, whose details are the paths of all fields that are wrong and what is wrong with them."""
    try:
        return Definition.model_validate(given)
    except ValidationError as error:
        raise RejectedInput("the campaign is not valid", status=422, details=problems_of_shape(error)) from None


def problems_of_shape(error: ValidationError) -> list[str]:
    """Path of each field and what is wrong with it, never what it holds."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    said = ((_path(each["loc"]), _WORDS.get(each["type"], each["msg"])) for each in problems[:_MOST_PROBLEMS])
    return [f"{path}: {words}" for path, words in said]


def _path(place: tuple[int | str, ...]) -> str:
    """`steps.0.subject`; a name that the file made up is cut, since it may be anything."""
    return ".".join(str(part)[:40] for part in place) or "campaign"
