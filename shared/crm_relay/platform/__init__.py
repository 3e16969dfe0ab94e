"""Everything technical, and no CRM word: database, HTTP, clock, settings, AWS, errors, logging."""
