"""Settings that several functions read, each with the one description that the documentation shows."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from crm_relay.platform.aws.secret_groups import (
    IN_ADMIN_SECRET,
    IN_DATABASE_SECRET,
    IN_PUBLIC_SECRET,
    IN_WORKERS_SECRET,
)
from crm_relay.platform.settings import SHORTEST_TOKEN, CommaSeparated, SigningSecrets

# As a browser writes it: https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?")

DatabaseUrl = Annotated[
    str,
    IN_DATABASE_SECRET,
    Field(
        description="Connection string: `postgresql://user:password@host:port/name`. A transaction pooler is fine "
        "(Supabase: port 6543, user `crm_relay.<ref>`)."
    ),
]

DatabaseCaFile = Annotated[
    str | None,
    Field(description="Path of the database's own root certificate. Unset: the system's certificate authorities."),
]

CoordinationTable = Annotated[
    str,
    Field(
        description="DynamoDB table with the leases that keep two runs apart, the circuit breaker of the database and "
        "the heartbeats of schedules."
    ),
]

_DEFERRED_QUEUE_URL = Field(description="SQS queue in which verified deliveries wait while the database is away.")
DeferredQueueUrl = Annotated[str, _DEFERRED_QUEUE_URL]
OptionalDeferredQueueUrl = Annotated[str | None, _DEFERRED_QUEUE_URL]

_OVERSIZE_BUCKET = Field(
    description="S3 bucket for the bodies of deferred deliveries that are too large for a message."
)
OversizeBucket = Annotated[str, _OVERSIZE_BUCKET]
OptionalOversizeBucket = Annotated[str | None, _OVERSIZE_BUCKET]

MauticUrl = Annotated[str, Field(description="Base address of Mautic, without `/api`.")]
MauticClientId = Annotated[
    str, IN_WORKERS_SECRET, Field(description="Public key of an OAuth 2 credential made in Mautic.")
]
MauticClientSecret = Annotated[str, IN_WORKERS_SECRET, Field(description="Secret key of the same credential.")]
MauticRequestTimeoutSeconds = Annotated[
    float, Field(gt=0, description="Time-out of one request to Mautic, in seconds.")
]
MauticLeaseSeconds = Annotated[
    float,
    Field(
        gt=0,
        description="Seconds after which another run may take over from one that died. More than "
        "`MAUTIC_REQUEST_TIMEOUT_SECONDS`.",
    ),
]

AlertTopicArn = Annotated[
    str | None,
    Field(description="SNS topic for incidents and for runs that stopped themselves. Unset: nothing is published."),
]

AlertSlackWebhookUrl = Annotated[
    str | None,
    IN_WORKERS_SECRET,
    Field(description="Incoming webhook of Slack for incidents. Unset: nothing is posted to Slack."),
]

_EDGE_CACHE_TABLE = Field(
    description="DynamoDB table of the edge cache, which `cache_sync` and `cache_digest` need. Unset elsewhere: there "
    "is no edge cache."
)
EdgeCacheTable = Annotated[str, _EDGE_CACHE_TABLE]
OptionalEdgeCacheTable = Annotated[str | None, _EDGE_CACHE_TABLE]

CacheOrdersQueueUrl = Annotated[
    str | None,
    Field(
        description="SQS queue of edge cache runs ordered through the API. Unset: the API takes no such orders, and "
        "the rest of an ordered run waits for the next schedule."
    ),
]

IntegrityOrdersQueueUrl = Annotated[
    str,
    Field(
        description="SQS queue of integrity checks ordered through the API. Unset: an order that arrives during a run "
        "is not repeated."
    ),
]

AdminToken = Annotated[
    str | None,
    IN_ADMIN_SECRET,
    Field(
        min_length=SHORTEST_TOKEN,
        description="First token of the API, named `admin`, with every right; at least 32 characters. Unset: only "
        "tokens made by `crm-relay token create` are valid.",
    ),
]


def _are_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if any(_ORIGIN.fullmatch(each) is None for each in origins):
        raise ValueError("must be scheme://host or scheme://host:port, separated by commas")
    return origins


ApiOrigins = Annotated[
    CommaSeparated,
    AfterValidator(_are_origins),
    Field(
        description="Origins (`https://crm.example.com`), separated by commas, whose pages may call the admin API from "
        "a browser. Unset: only the dashboard may, which is of the same origin."
    ),
]

UnsubscribeLinkKey = Annotated[
    SigningSecrets,
    IN_PUBLIC_SECRET,
    Field(
        description="Key that signs the unsubscribe links of e-mails, at least 16 characters. Several, separated by "
        "commas, are valid at once while one is replaced; the first signs. Unset: links are not signed, and while "
        "somebody tries made-up ones, readers have to wait for the page."
    ),
]

BisonInstanceUrl = Annotated[
    str,
    Field(
        description="Base address of EmailBison, without `/api`. Unset: deliveries of any instance are accepted and no "
        "account is read."
    ),
]

EmailFrom = Annotated[
    str | None,
    Field(
        description="Sender for organizations without an identity of their own: `Name <address>`. Unset: such an "
        "organization cannot activate a campaign with e-mails."
    ),
]

PublicUrl = Annotated[
    str,
    Field(
        description="Public base address of the HTTP API. Links in e-mails, the webhook addresses of providers and the "
        "redirects of OAuth start with it."
    ),
]

AppUrl = Annotated[
    str | None,
    Field(
        description="Base address of your application, such as `https://crm.example.com`: a path in a notification "
        "is a link to it in e-mails and in Slack. Unset: such links are left out there."
    ),
]

LinkHosts = Annotated[
    CommaSeparated,
    Field(
        description="Hosts besides your application's that the link of a notification may lead to, separated by commas."
    ),
]

NotificationQueueUrl = Annotated[
    str | None,
    Field(
        description="SQS queue that wakes `notification_cron` once something is due. Unset: it leaves with the next "
        "minute."
    ),
]

WorkflowQueueUrl = Annotated[
    str | None,
    Field(
        description="SQS queue that wakes `workflow_cron` once something has happened. Unset: it looks with the next "
        "minute."
    ),
]

TwilioFrom = Annotated[
    str | None,
    Field(
        description="Number (`+15550100000`) or messaging service (`MG…`) that sends text messages. Unset: SMS steps "
        "are skipped, and the log says why."
    ),
]
