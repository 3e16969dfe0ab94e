"""What a run of campaigns looks after besides steps: totals, locks, and campaigns that cannot go on."""
