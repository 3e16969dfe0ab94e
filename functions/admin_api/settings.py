"""Settings of admin_api."""

from crm_relay.mail.models import Mode
from crm_relay.mail.policy_settings import SendMode
from crm_relay.operations.rooms import LeftOutRooms
from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AdminToken,
    ApiOrigins,
    AppUrl,
    CacheOrdersQueueUrl,
    DatabaseCaFile,
    DatabaseUrl,
    DeferredQueueUrl,
    EmailFrom,
    IntegrityOrdersQueueUrl,
    LinkHosts,
    NotificationQueueUrl,
    OptionalEdgeCacheTable,
    OversizeBucket,
    TwilioFrom,
    WorkflowQueueUrl,
)


class Settings(SettingsModel):
    """What the API reads and orders, the mode in which mail leaves, the senders that a campaign is checked against, and
    where notifications lead.

    Without `edge_cache_table` and `cache_orders_queue_url` what is about the edge cache is answered 404.
    """

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    edge_cache_table: OptionalEdgeCacheTable = None
    cache_orders_queue_url: CacheOrdersQueueUrl = None
    integrity_orders_queue_url: IntegrityOrdersQueueUrl
    deferred_queue_url: DeferredQueueUrl
    oversize_bucket: OversizeBucket
    left_out_rooms: LeftOutRooms = ()
    admin_token: AdminToken = None
    api_origins: ApiOrigins = ()
    send_mode: SendMode = Mode.DRY_RUN
    email_from: EmailFrom = None
    twilio_from: TwilioFrom = None
    app_url: AppUrl = None
    notification_link_hosts: LinkHosts = ()
    notification_queue_url: NotificationQueueUrl = None
    workflow_queue_url: WorkflowQueueUrl = None
