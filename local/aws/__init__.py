"""AWS on a laptop: moto, queues, streams, schedules and the HTTP API."""
