"""Serves the page behind the link of an approval, on which its approver decides.

GET shows what is asked for and changes nothing; POST decides, once. The run that waits goes on with the next round of
workflow_cron, which is woken.

Use cases: workflows/approvals/overview.py, workflows/approvals/deciding/decide.py
Writes: workflow_approvals, workflow_executions, workflow_execution_logs, notifications
"""
