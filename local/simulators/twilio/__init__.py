"""A Twilio account that takes text messages and keeps what it was told to send; nothing of it is recorded.

https://www.twilio.com/docs/messaging/api/message-resource. There is no idempotency: what is posted twice is sent twice.
"""

from local.simulators.twilio.simulator import SimulatedText, TwilioFault, TwilioSimulator

__all__ = ["SimulatedText", "TwilioFault", "TwilioSimulator"]
