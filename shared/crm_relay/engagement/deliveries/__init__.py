"""Events of Mautic: what is locked and read for a batch, what it means, and what is written."""
