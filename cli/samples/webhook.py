"""crm-relay webhook: sample deliveries to a running installation."""

from pathlib import Path
from typing import Annotated

import requests
import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show, use_settings
from cli.samples.sample_deliveries import SIGNERS, SampleRequest, SigningSettings, read_body
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.settings import read_settings
from local.stack_file import ROOT

app = typer.Typer(no_args_is_help=True, help="Send sample deliveries to an installation.")
_ANSWER_SECONDS = 30.0


@app.callback()
def _group() -> None:
    """Keeps `send` a command of its own."""


@app.command("send")
@reports_errors
def send(
    source: Annotated[str, typer.Argument(help=f"One of {', '.join(SIGNERS)}.")],
    event: Annotated[
        Path | None,
        typer.Option("--event", exists=True, dir_okay=False, help="File of events/, or a recorded body."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Base address of the HTTP API. Default: PUBLIC_URL.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="Workspace of EmailBison. Default: the first with a token.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Send a sample delivery, signed with the installation's secret, and print the answer.

    Exit status 1: the answer is not 2xx. An event that was sent before is answered the same way and has no second
    effect.
    """
    if source not in SIGNERS:
        raise typer.BadParameter(f"one of {', '.join(SIGNERS)}", param_hint="source")
    use_settings(env_file)
    settings = read_settings(SigningSettings)
    base = (base_url or settings.public_url or "").rstrip("/")
    if not base:
        raise FatalError("where to send is not known: give --base-url, or set PUBLIC_URL")
    signer = SIGNERS[source]
    body = read_body(event or ROOT / "events" / signer.sample)
    answer = _post(base, signer.sign(body, settings, utc_now(), workspace))
    show({"status": answer.status_code, "answer": answer.text}, as_json, f"Answer to {source}")
    return GOOD if answer.ok else FOUND


def _post(base: str, sample: SampleRequest) -> requests.Response:
    headers = {"content-type": "application/json", "user-agent": "crm-relay-sample", **sample.headers}
    url = f"{base}{sample.path}"
    try:
        return requests.post(url, data=sample.body, headers=headers, timeout=_ANSWER_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        # The address may hold a token.
        raise TransientError(f"no answer: {type(error).__name__}") from None
