"""Starts moto on 127.0.0.1 and creates in it what the template's functions need."""

import itertools
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.aws.secret_groups import SecretGroup, secret_name
from local.aws.moto_server import MotoServer, client_of
from local.template.secrets import secret_variables, split_by_secret
from local.template.template import ACCOUNT, REGION, SamTemplate

_ACCESS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}
# moto keeps one state for the whole process, so every stack in it has names of its own; the sample events use those of
# the first.
_prefixes = itertools.chain(["crm-relay-local"], (f"crm-relay-local-{number}" for number in itertools.count(2)))


@dataclass
class LocalAws:
    """The running server and its resources; `references` are what `!Ref` and `!GetAtt` give for them."""

    template: SamTemplate
    endpoint_url: str
    prefix: str
    _server: MotoServer
    references: dict[tuple[str, str | None], str] = field(default_factory=dict)

    @classmethod
    def start(cls, template: SamTemplate, secret: Mapping[str, str] | None = None) -> "LocalAws":
        """`secret` becomes the JSON secrets that CRM_RELAY_SECRET_ID names."""
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # moto would tell every request
        server = MotoServer()
        server.start()
        aws = cls(template, server.url, next(_prefixes), server)
        aws._create_all(secret or {})
        return aws

    @property
    def environment(self) -> dict[str, str]:
        """The environments of all functions in one, and how boto3 finds this server.

        What has no value here (a parameter without a default) is left out.
        """
        access = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": _ACCESS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": _ACCESS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        functions = (self.template.environment(name, self.references) for name in self.template.functions)
        secrets = ",".join(secret_name(self.references[("SecretName", None)], group) for group in SecretGroup)
        together = {name: value for variables in functions for name, value in variables.items()}
        return together | access | {"CRM_RELAY_SECRET_ID": secrets}

    def client(self, service: str) -> Any:
        """A boto3 client of this server, whatever the process's environment says; may be shared by threads."""
        return client_of(self.endpoint_url, service)

    def queue_url(self, logical_id: str) -> str:
        return self.references[(logical_id, None)]

    def queue_arn(self, logical_id: str) -> str:
        return self.references[(logical_id, "Arn")]

    def stop(self) -> None:
        self._server.stop()

    def _create_all(self, secret: Mapping[str, str]) -> None:
        self._create_queues()
        self._create_buckets()
        self._create_tables()
        self._create_topics()
        self._create_secret(secret)

    def _name(self, logical_id: str) -> str:
        return f"{self.prefix}-{re.sub(r'(?<=[a-z])(?=[A-Z])', '-', logical_id).lower()}"

    def _create_queues(self) -> None:
        queues = self.template.resources("AWS::SQS::Queue")
        client = self.client("sqs")
        # A redrive policy may only name a queue that exists: the ones without come first.
        for logical_id in sorted(queues, key=lambda one: "RedrivePolicy" in queues[one]):
            name = self._name(logical_id)
            attributes = self._queue_attributes(queues[logical_id])
            url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            self.references[(logical_id, None)] = url
            self.references[(logical_id, "Arn")] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
            self.references[(logical_id, "QueueName")] = name

    def _queue_attributes(self, properties: Mapping[str, Any]) -> dict[str, str]:
        values = self.template.evaluate(properties, self.references)
        texts = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in values.items()}
        return {key: value.lower() if value in {"True", "False"} else value for key, value in texts.items()}

    def _create_buckets(self) -> None:
        client = self.client("s3")
        for logical_id in self.template.resources("AWS::S3::Bucket"):
            name = self._name(logical_id)
            client.create_bucket(Bucket=name)
            self.references[(logical_id, None)] = name
            self.references[(logical_id, "Arn")] = f"arn:aws:s3:::{name}"

    def _create_tables(self) -> None:
        client = self.client("dynamodb")
        for logical_id, properties in self.template.resources("AWS::DynamoDB::Table").items():
            name = self._name(logical_id)
            known = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
            # CloudFormation says by the view type alone that there is a stream.
            if stream := properties.get("StreamSpecification"):
                known["StreamSpecification"] = {"StreamEnabled": True, **stream}
            made = client.create_table(TableName=name, **self.template.evaluate(known))["TableDescription"]
            if time_to_live := properties.get("TimeToLiveSpecification"):
                client.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
            self.references[(logical_id, None)] = name
            self.references[(logical_id, "Arn")] = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
            if stream:
                self.references[(logical_id, "StreamArn")] = made["LatestStreamArn"]

    def _create_topics(self) -> None:
        client = self.client("sns")
        for logical_id in self.template.resources("AWS::SNS::Topic"):
            arn = client.create_topic(Name=self._name(logical_id))["TopicArn"]
            self.references[(logical_id, None)] = arn
            self.references[(logical_id, "TopicName")] = self._name(logical_id)

    def _create_secret(self, secret: Mapping[str, str]) -> None:
        name = self._name("Secret")
        client = self.client("secretsmanager")
        for group, part in split_by_secret(secret, secret_variables(self.template.functions)).items():
            client.create_secret(Name=secret_name(name, group), SecretString=json.dumps(part))
        self.references[("SecretName", None)] = name


_TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
)
