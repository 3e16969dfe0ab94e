"""Keeps the local stack up until somebody asks it to stop."""

import os
import socket
import sys
from collections.abc import Mapping

from rich.console import Console

from crm_relay.operations.access.sign_in import LONGEST_MINUTES, make_link
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.http.callers import Role
from local.stack import Stack
from local.stack_file import PORT, STACK_FILE, STACK_FOLDER
from local.stack_folder import one_at_a_time
from local.until_signal import Stopped, stopped_by_signal, until_signal, wait_for

console = Console()
_STOPPED = 130
_PUBLIC = "of workflows: to public hosts alone"
_RESEND = "https://api.resend.com, as SEND_MODE allows"


def serve(settings: Mapping[str, str], port: int = PORT) -> int:
    """The stack for the operator's own settings, with queues and schedules running by themselves.

    Its data stays in the folder of the stack. Raises FatalError where another stack runs or the port is taken.
    """
    with one_at_a_time(STACK_FILE):
        refuse_taken(port)
        try:
            with stopped_by_signal():
                _say(f"Starting; its data stays in {_data(settings)}")
                with Stack(settings, folder=STACK_FOLDER, port=port) as stack:
                    stay(stack)
        except Stopped:
            _say("stopped")
            sys.stdout.flush()
            # Threads of functions that still run would keep the process for as long as they take.
            os._exit(_STOPPED)
    return 0


def stay(stack: Stack) -> None:
    """Up with queues and schedules running, until a signal."""
    with until_signal() as stop:
        stack.start_background()
        stack.write_file()
        stack.fill_again()
        describe(stack)
        wait_for(stop)


def refuse_taken(port: int) -> None:
    """Before anything starts: raises FatalError where another program listens on it."""
    with socket.socket() as probe:
        # As the server will: what a former one has closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise FatalError(
                f"port {port} of 127.0.0.1 is taken by another program: stop that, or choose another port, "
                f"as in make up STACK_PORT={port + 1}"
            ) from None


def describe(stack: Stack) -> None:
    """Where everything is."""
    _say(f"sign in    {sign_in_link(stack.edge.base_url, stack.environment['DATABASE_URL'])}")
    _say("           good once, within an hour; another one: crm-relay token link --role admin")
    _say(f"HTTP       {stack.edge.base_url}  (webhooks, /unsubscribe/…, /approvals/…, /api/…)")
    _say(f"Mautic     {_where(stack, 'mautic', 'MAUTIC_URL')}")
    _say(f"EmailBison {_where(stack, 'bison', 'BISON_INSTANCE_URL')}")
    _say(f"Resend     {_where(stack, 'resend', 'RESEND_API_URL', _RESEND)}")
    _say(f"webhooks   {_where(stack, 'webhooks', 'WEBHOOK_PRIVATE_HOSTS', _PUBLIC)}")
    _say(f"log        {stack.log}")
    _say(f"details    {STACK_FILE}; stop with Ctrl-C")


def sign_in_link(base_url: str, database_url: str) -> str:
    """Leads into the page. Its code is in the fragment, which a browser keeps to itself."""
    database = Database(database_url)
    try:
        return make_link(database, Role.ADMIN, utc_now(), minutes=LONGEST_MINUTES, created_by="operator").address(
            base_url
        )
    except (FatalError, TransientError) as error:
        # A database of the operator's own that is not migrated, or away: the stack runs, and says why there is none.
        return f"{base_url}/dashboard  (no link: {error}; crm-relay doctor says more)"
    finally:
        database.close()


def _where(stack: Stack, name: str, setting: str, default: str = "none") -> str:
    simulator = stack.simulated.urls.get(name)
    return f"simulated at {simulator}" if simulator else stack.environment.get(setting, default)


def _data(settings: Mapping[str, str]) -> str:
    return "the database of DATABASE_URL" if settings.get("DATABASE_URL") else str(STACK_FOLDER.path)


def _say(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)
