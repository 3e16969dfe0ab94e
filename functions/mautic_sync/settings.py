"""Settings of mautic_sync."""

from typing import Literal

from pydantic import Field, model_validator

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """Everything the function reads from its environment or its secret; the README's table says what each one is."""

    database_url: str
    database_ca_file: str | None = None
    mautic_url: str
    mautic_client_id: str
    mautic_client_secret: str
    mautic_batch_size: int = Field(default=200, ge=1, le=200)
    mautic_batch_pause_seconds: float = Field(default=1.0, ge=0)
    mautic_request_timeout_seconds: float = Field(default=120.0, gt=0)
    mautic_lease_seconds: float = Field(default=180.0, gt=0)
    mautic_on_delete: Literal["suppress", "delete", "anonymise"] = "suppress"
    mautic_shrink_limit_percent: float = Field(default=10.0, ge=0, le=100)
    mautic_audit_sample: int = Field(default=1, ge=0, le=50)
    coordination_table: str
    continue_queue_url: str | None = None
    alert_topic_arn: str | None = None
    admin_token: str | None = None

    @model_validator(mode="after")
    def _lease_outlives_a_request(self) -> "Settings":
        if self.mautic_lease_seconds <= self.mautic_request_timeout_seconds:
            raise ValueError("MAUTIC_LEASE_SECONDS must be longer than MAUTIC_REQUEST_TIMEOUT_SECONDS")
        return self
