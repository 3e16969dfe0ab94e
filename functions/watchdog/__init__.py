"""Notices schedules that have fallen silent, and messages in dead-letter queues.

It needs no database, so that it works while the database is away. While it does not run itself, its alarms ring.

Use cases: operations/watchdog.py
Writes: the item heartbeats of the coordination table
Alarms: OverdueSchedules, DeadLetters, CoordinationTableReadThrottles, CoordinationTableWriteThrottles,
CoordinationTableSystemErrors
"""
