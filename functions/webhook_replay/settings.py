"""Settings of webhook_replay."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    BisonInstanceUrl,
    DatabaseCaFile,
    DatabaseUrl,
    DeferredQueueUrl,
    OversizeBucket,
)


class Settings(SettingsModel):
    """Records of any other queue than `deferred_queue_url` are those that it gave up."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    deferred_queue_url: DeferredQueueUrl
    oversize_bucket: OversizeBucket
    bison_instance_url: BisonInstanceUrl = ""
    inbox_retention_days: int = Field(
        default=30, ge=1, description="Days after which an applied delivery is deleted from `webhook_inbox`."
    )
