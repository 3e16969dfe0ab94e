"""What goes to PostgreSQL as text, and what comes back over one connection."""

from crm_relay.platform.postgres.scram_without_certificates import import_scram

import_scram()
