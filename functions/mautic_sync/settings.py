"""Settings of mautic_sync."""

from typing import Literal

from pydantic import Field, model_validator

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AdminToken,
    AlertTopicArn,
    ApiOrigins,
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
    MauticClientId,
    MauticClientSecret,
    MauticLeaseSeconds,
    MauticRequestTimeoutSeconds,
    MauticUrl,
)


class Settings(SettingsModel):
    """Mautic's address and credential, the pace of a run, and its limits."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    mautic_url: MauticUrl
    mautic_client_id: MauticClientId
    mautic_client_secret: MauticClientSecret
    mautic_batch_size: int = Field(default=200, ge=1, le=200, description="Contacts in one batch request, 1 to 200.")
    mautic_batch_pause_seconds: float = Field(
        default=1.0, ge=0, description="Seconds between two batches, which leave Mautic time for other work."
    )
    mautic_request_timeout_seconds: MauticRequestTimeoutSeconds = 120.0
    mautic_lease_seconds: MauticLeaseSeconds = 180.0
    mautic_on_delete: Literal["suppress", "delete", "anonymise"] = Field(
        default="suppress",
        description="What happens to the contact of a deleted customer: `suppress` mutes it, `anonymise` also empties "
        "its fields, `delete` removes it with its history.",
    )
    mautic_shrink_limit_percent: float = Field(
        default=10.0,
        ge=0,
        le=100,
        description="A run stops and changes nothing if more than this percentage of the contacts would disappear.",
    )
    mautic_audit_sample: int = Field(
        default=1,
        ge=0,
        le=50,
        description="Customers written by a run that are read back from Mautic and compared, 0 to 50.",
    )
    coordination_table: CoordinationTable
    continue_queue_url: str | None = Field(
        default=None,
        description="SQS queue by which a long run hands its rest to the next run. Unset: the rest waits for the next "
        "schedule.",
    )
    alert_topic_arn: AlertTopicArn = None
    admin_token: AdminToken = None
    api_origins: ApiOrigins = ()

    @model_validator(mode="after")
    def _lease_outlives_a_request(self) -> "Settings":
        if self.mautic_lease_seconds <= self.mautic_request_timeout_seconds:
            raise ValueError("MAUTIC_LEASE_SECONDS must be longer than MAUTIC_REQUEST_TIMEOUT_SECONDS")
        return self
