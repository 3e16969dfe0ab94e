"""Keeps the local stack up until somebody asks it to stop."""

from collections.abc import Mapping

from rich.console import Console

from local.stack import LOG_FILE, STACK_FILE, Stack
from local.until_signal import until_signal, wait_for

console = Console()
_PUBLIC = "of workflows: to public hosts alone"
_RESEND = "https://api.resend.com, as SEND_MODE allows"


def serve(settings: Mapping[str, str]) -> int:
    """The stack for the operator's own settings, with queues and schedules running by themselves."""
    with until_signal() as stop, Stack(settings) as stack:
        stack.start_background()
        stack.write_file()
        describe(stack)
        wait_for(stop)
    return 0


def describe(stack: Stack) -> None:
    """Where everything is."""
    webhooks = "/webhooks/mautic, /webhooks/bison/{token}, /webhooks/resend, /webhooks/mailchimp/{token}"
    routes = f"{webhooks}, /unsubscribe/{{token}}, /api/…"
    console.print(f"HTTP edge  {stack.edge.base_url}  ({routes})", highlight=False)
    console.print(f"dashboard  {stack.edge.base_url}/dashboard  (admin_token in the details)", highlight=False)
    console.print(f"Mautic     {_where(stack, 'mautic', 'MAUTIC_URL')}", highlight=False)
    console.print(f"EmailBison {_where(stack, 'bison', 'BISON_INSTANCE_URL')}", highlight=False)
    console.print(f"Resend     {_where(stack, 'resend', 'RESEND_API_URL', _RESEND)}", highlight=False)
    console.print(f"webhooks   {_where(stack, 'webhooks', 'WEBHOOK_PRIVATE_HOSTS', _PUBLIC)}", highlight=False)
    console.print(f"log        {LOG_FILE}", highlight=False)
    console.print(f"details    {STACK_FILE}; stop with Ctrl-C", highlight=False)


def _where(stack: Stack, name: str, setting: str, default: str = "none") -> str:
    simulator = stack.simulated.urls.get(name)
    return f"simulated at {simulator}" if simulator else stack.environment.get(setting, default)
