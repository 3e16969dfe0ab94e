"""Every way in which somebody can try to decide an approval, each as the one who tries it would."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.platform.database import Transaction
from crm_relay.platform.errors import FatalError, RejectedInput
from crm_relay.platform.http.callers import Role
from tests.support.operations.admin_function import AdminFunction
from tests.support.platform.rows import parse
from tests.support.workflows.approval_stage import ApprovalStage
from tests.support.workflows.approvals_function import press

ROLES = ("anon", "authenticated")
ANSWERS = {"approve": "approved", "reject": "rejected"}
STATEMENTS = (
    (
        "update workflow_approvals set status = '{status}', responded_at = now(), decided_by = approver_id,"
        " decided_by_name = 'x', decided_via = 'api' where id = '{id}'"
    ),
    "update workflow_approvals set status = '{status}' where id = '{id}'",
    "delete from workflow_approvals where id = '{id}'",
    (
        "insert into workflow_approvals (org_id, execution_id, step_id, approver_id, status, decided_via,"
        " decided_by_name, responded_at) select org_id, execution_id, step_id, approver_id, '{status}', 'api',"
        " 'x', now() from workflow_approvals where id = '{id}'"
    ),
    (
        "update workflow_executions set next_run_at = now(), waits_for = null where id ="
        " (select execution_id from workflow_approvals where id = '{id}')"
    ),
)


@dataclass
class ApprovalWays:
    """Each way answers `decided`, `known`, `refused` or `absent`."""

    stage: ApprovalStage
    api: AdminFunction
    tokens: dict[UUID, str] = field(default_factory=dict)

    def token_of(self, person: UUID) -> str:
        """Of the admin API."""
        if person not in self.tokens:
            name = f"t{len(self.tokens)}"
            self.tokens[person] = self.api.token(name, Role.OPERATE, user=str(person))
        return self.tokens[person]

    def by_api(self, approval: UUID, person: UUID, action: str, *, way: str = "api") -> str:
        answer = self.api.call(
            "POST", f"/api/approvals/{approval}/{action}", token=self.token_of(person), body={"way": way}
        )
        if answer.status == 200:
            return "decided" if answer.body["changed"] else "known"
        assert answer.status in {401, 403, 404, 409}, answer.text
        return "refused"

    def by_page(self, approval: UUID, person: UUID, action: str) -> str:
        return self.by_api(approval, person, action, way="page")

    def by_cli(self, approval: UUID, person: UUID, action: str) -> str:
        done = CliRunner().invoke(app, ["approval", action, str(approval), "--as", str(person), "--json"])
        if done.exit_code == 2:
            return "refused"
        return "decided" if json.loads(done.stdout)["changed"] else "known"

    def by_link(self, approval: UUID, person: UUID, action: str) -> str:
        """By the links that they were notified with; whoever has none tries one that is nobody's."""
        tokens = [
            str(row["action_url"]).rpartition("/")[2]
            for row in self.stage.runs.rows(
                "select action_url from notifications where user_id = :user and entity_id = :approval",
                user=person,
                approval=approval,
            )
        ]
        if not tokens:
            assert press("nobody-has-this-token-at-all", action)["statusCode"] == 404
            return "absent"
        before = self.status(approval)
        answer = press(tokens[-1], action)
        if answer["statusCode"] != 200:
            return "refused"
        return "decided" if before == "pending" else "known"

    def by_sql(self, approval: UUID, person: UUID, action: str) -> str:
        """Every statement as every role of a user, and the plain word as every role of a server."""
        self._by_server(approval, ANSWERS[action])
        for role in ROLES:
            for statement in STATEMENTS:
                sql = statement.format(id=approval, status=ANSWERS[action])

                def work(tx: Transaction, role: str = role, sql: str = sql) -> None:
                    claims = "select set_config('request.jwt.claims', json_build_object('sub', :user)::text, true)"
                    tx.run(parse(claims), user=str(person))
                    tx.run(parse(f"set local role {role}"))
                    tx.run(parse(sql))

                with pytest.raises(FatalError, match="42501"):
                    self.stage.runs.db.transact(work)
        return "refused"

    def _by_server(self, approval: UUID, status: str) -> None:
        """What says nothing of who decided and how is refused by the table."""
        if self.status(approval) in ANSWERS.values():
            return
        for server in ("service_role", "crm_relay"):

            def work(tx: Transaction, server: str = server) -> None:
                tx.run(parse(f"set local role {server}"))
                tx.run(
                    parse("update workflow_approvals set status = :status where id = :id"), status=status, id=approval
                )

            with pytest.raises(RejectedInput, match="workflow_approvals_say_how_decided"):
                self.stage.runs.db.transact(work)

    @property
    def all(self) -> Mapping[str, Callable[[UUID, UUID, str], str]]:
        """By their names."""
        return {
            "api": self.by_api,
            "page": self.by_page,
            "cli": self.by_cli,
            "link": self.by_link,
            "sql": self.by_sql,
        }

    def status(self, approval: UUID) -> Any:
        """Of its row."""
        return self.stage.runs.one("select status from workflow_approvals where id = :id", id=approval)["status"]
