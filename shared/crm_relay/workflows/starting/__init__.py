"""Starts runs of workflows: by events, by schedules, and by somebody who asks for one."""
