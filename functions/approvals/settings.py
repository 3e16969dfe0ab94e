"""Settings of approvals."""

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import DatabaseCaFile, DatabaseUrl, UnsubscribeLinkKey, WorkflowQueueUrl


class Settings(SettingsModel):
    """The database, the key by which our links are known, and who goes on with what was decided."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    unsubscribe_link_key: UnsubscribeLinkKey = ()
    workflow_queue_url: WorkflowQueueUrl = None
