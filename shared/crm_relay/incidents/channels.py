"""Where alerts are sent: Slack and SNS."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.send_alerts import AlertChannel
from crm_relay.platform.aws.queue import publish_alert

if TYPE_CHECKING:
    from crm_relay.providers.slack.client import Slack


@dataclass(frozen=True)
class SlackChannel:
    """One incoming webhook."""

    slack: "Slack"
    name: str = "slack"

    def send(self, message: AlertMessage) -> None:
        """Errors as in Slack.post."""
        self.slack.post(message.text)


@dataclass(frozen=True)
class TopicChannel:
    """An SNS topic; who listens to it is the deployment's business."""

    topic_arn: str
    name: str = "sns"

    def send(self, message: AlertMessage) -> None:
        """Errors as in publish_alert. A subject is ASCII: everything else is in the text."""
        subject = message.title.encode("ascii", errors="replace").decode()
        publish_alert(self.topic_arn, f"CRM Relay: {subject}", message.text)


def channels(slack_webhook_url: str | None, topic_arn: str | None) -> list[AlertChannel]:
    """Those that are configured; without any, incidents wait in their table."""
    found: list[AlertChannel] = []
    if slack_webhook_url:
        # Only who has it pays for an HTTP client at the cold start.
        from crm_relay.providers.slack.client import Slack

        found.append(SlackChannel(Slack(slack_webhook_url)))
    if topic_arn:
        found.append(TopicChannel(topic_arn))
    return found
