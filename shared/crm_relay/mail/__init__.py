"""E-mail on its way out: queued first, gated at the last moment, sent once, and followed from then on."""
