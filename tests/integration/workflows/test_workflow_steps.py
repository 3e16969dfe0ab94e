"""What each kind of step does, in a database."""

from dataclasses import replace

from crm_relay.workflows.models import ConditionGroup, RecordCondition
from tests.support.workflows.run_harness import RunHarness, branch, chain, step


def test_a_task_is_for_the_owner_of_the_record(runs: RunHarness) -> None:
    owner = runs.person()
    deal = runs.deal(owner_id=owner)

    run = runs.run(chain(step("create_task", title="Call about {{deal.name}}", due_date="+3d", priority="high")), deal)
    runs.tick()

    (task,) = runs.activities()
    assert (task["type"], task["subject"], task["status"], task["assignee_id"]) == (
        "task",
        "Call about Engine",
        "open",
        owner,
    )
    assert (task["entity_type"], task["entity_id"], task["priority"]) == ("deal", deal, "high")
    assert (task["due_date"] - runs.now).days == 3
    assert runs.steps(run) == [("0", "completed")]
    assert runs.status(run) == "completed"
    assert runs.log(run) == ["create_task completed", "run completed"]


def test_three_effects_and_a_mail_take_effect_together(runs: RunHarness) -> None:
    owner, ada = runs.person(), runs.contact()
    deal = runs.deal(owner_id=owner, lead_contact_id=ada, stage="closed_won")
    run = runs.run(
        chain(
            step("send_email", subject="Welcome {{contact.first_name}}", html="<p>About {{deal.name}}</p>"),
            step("create_activity", subject="Won: {{deal.name}}"),
            step("send_notification", to="owner", title="Won", message="{{deal.name}} is won"),
            step("update_field", field="probability", value=100),
        ),
        deal,
    )

    report = runs.tick()

    assert (report.outcomes["completed"], report.mail.sent) == (1, 1)
    assert runs.got() == 1
    mail = runs.sim.mails[0].payload
    assert mail["subject"] == "Welcome Ada"
    assert "1 Example Street" in mail["html"]
    assert "/unsubscribe/" in mail["html"]
    assert [row["subject"] for row in runs.activities()] == ["Won: Engine"]
    assert runs.notified(owner) == ["Won"]
    assert runs.one("select probability, updated_at from deals")["probability"] == 100
    assert [status for _, status in runs.steps(run)] == ["completed"] * 4
    actions = runs.rows("select action_type, status from workflow_actions order by created_at, action_type")
    assert {row["status"] for row in actions} == {"completed"}


def test_a_branch_goes_by_the_record_and_keeps_why(runs: RunHarness) -> None:
    large = ConditionGroup("all", (RecordCondition("value", "gte", 1000),))
    program = chain(
        step("create_activity", subject="a"), step("create_task", title="large"), step("create_task", title="small")
    )
    _, large_step, small_step = program.steps
    program = replace(
        program, steps=(branch(large, 1, 2), replace(large_step, next=None), replace(small_step, next=None))
    )
    run = runs.run(program, runs.deal(value=250))

    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["small"]
    explanation = runs.results(run)[0]["explanation"]
    assert (explanation[0]["wanted"], explanation[0]["actual"], explanation[0]["holds"]) == (1000, 250, False)


def test_a_run_of_a_record_that_is_gone_is_cancelled(runs: RunHarness) -> None:
    deal = runs.deal()
    run = runs.run(chain(step("create_task", title="x")), deal)
    runs.rows("update deals set deleted_at = now() returning id")

    runs.tick()

    assert (runs.status(run), runs.execution(run)["error_message"]) == ("cancelled", "record_gone")
    assert runs.activities() == []


def test_a_step_reads_what_the_step_before_it_wrote(runs: RunHarness) -> None:
    deal = runs.deal(stage="open")
    run = runs.run(
        chain(step("update_field", field="stage", value="review"), step("create_activity", subject="{{deal.stage}}")),
        deal,
    )

    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["review"]
    assert runs.status(run) == "completed"


def test_a_written_record_says_who_and_when(runs: RunHarness) -> None:
    user, deal = runs.person(), runs.deal()
    runs.run(chain(step("update_field", field="stage", value="{{deal.name}}")), deal, triggered_by=user)

    runs.tick()

    row = runs.one("select stage, updated_by, updated_at from deals")
    assert (row["stage"], row["updated_by"], row["updated_at"]) == ("Engine", user, runs.now)


def test_a_write_casts_to_the_columns_type_and_null_clears(runs: RunHarness) -> None:
    deal = runs.deal(stage="x", value=1)
    runs.run(
        chain(
            step("update_field", field="value", value="1250.50"),
            step("update_field", field="expected_close_date", value="2027-01-31"),
            step("update_field", field="stage", value=None),
        ),
        deal,
    )

    runs.tick()

    row = runs.one("select value::text as value, expected_close_date::text as day, stage from deals")
    assert row == {"value": "1250.50", "day": "2027-01-31", "stage": None}


def test_round_robin_goes_past_who_is_away(runs: RunHarness) -> None:
    ada, bob, cyd = runs.person("ada"), runs.person("bob", out_until=runs.now.replace(year=2030)), runs.person("cyd")
    workflow = runs.workflow(
        chain(step("assign", assignee_type="round_robin", pool=[str(each) for each in (ada, bob, cyd)]))
    )
    deals = [runs.deal() for _ in range(4)]
    for deal in deals:
        runs.start(workflow, deal)
        runs.tick()

    owners = {row["id"]: row["owner_id"] for row in runs.rows("select id, owner_id from deals")}
    assert [owners[deal] for deal in deals] == [ada, cyd, ada, cyd]


def test_round_robin_shares_out_a_batch(runs: RunHarness) -> None:
    people = [runs.person(name) for name in ("ada", "bob", "cyd")]
    workflow = runs.workflow(chain(step("assign", assignee_type="round_robin", pool=[str(each) for each in people])))
    for _ in range(9):
        runs.start(workflow, runs.deal())

    runs.tick()

    shares = runs.rows("select owner_id, count(*)::integer as deals from deals group by owner_id")
    assert {row["owner_id"]: row["deals"] for row in shares} == dict.fromkeys(people, 3)


def test_a_pool_whose_people_are_all_away_is_tried_again(runs: RunHarness) -> None:
    ada = runs.person("ada", out_until=runs.now.replace(minute=5))
    run = runs.run(chain(step("assign", assignee_type="round_robin", pool=[str(ada)])))

    runs.tick()
    waiting = runs.execution(run)
    assert (waiting["status"], waiting["retry_count"]) == ("failed", 1)
    assert (waiting["next_retry_at"] - runs.now).total_seconds() == 60
    for minutes in (1, 5):
        runs.wait(minutes=minutes)
        runs.tick()

    assert runs.one("select owner_id from deals")["owner_id"] == ada
    assert runs.status(run) == "completed"


def test_assign_knows_nobody_of_another_organization(runs: RunHarness) -> None:
    other = runs.one("insert into organizations (name) values ('Other') returning id")["id"]
    stranger = runs.person("eve", org_id=other)
    run = runs.run(chain(step("assign", assignee_id=str(stranger))))

    runs.tick()

    assert runs.status(run) == "failed"
    assert runs.one("select owner_id from deals")["owner_id"] is None


def test_the_manager_is_assigned_and_escalated_to(runs: RunHarness) -> None:
    boss = runs.person("boss")
    owner = runs.person("owner", manager_id=boss)
    first, second = runs.deal(owner_id=owner), runs.deal("Second", owner_id=owner)
    runs.run(chain(step("assign", assignee_type="manager")), first)
    runs.run(chain(step("escalate", reassign=True)), second)

    runs.tick()

    assert {row["owner_id"] for row in runs.rows("select owner_id from deals")} == {boss}
    assert runs.notified(boss) == ["Escalated by Follow up"]


def test_a_transition_moves_the_instance(runs: RunHarness) -> None:
    workflow = runs.workflow(chain(step("create_activity", subject="x")))
    state = runs.one(
        "insert into workflow_states (workflow_id, name) values (:id, 'Review') returning id", id=workflow
    )["id"]
    runs.publish(workflow, chain(step("transition", state_id=str(state), state="Review")), 2)
    run = runs.start(workflow, runs.deal(), version=2)

    runs.tick()

    assert runs.one("select current_state_id from workflow_instances")["current_state_id"] == state
    assert runs.one("select step_type, state_id from workflow_steps where execution_id = :id", id=run) == {
        "step_type": "transition",
        "state_id": state,
    }


def test_a_mail_without_an_address_is_skipped(runs: RunHarness) -> None:
    run = runs.run(chain(step("send_email", subject="x", text="y"), step("create_activity", subject="went on")))

    runs.tick()

    assert runs.steps(run) == [("0", "skipped"), ("1", "completed")]
    assert runs.results(run)[0] == {"reason": "no_address"}


def test_a_template_of_the_organization_is_filled_with_its_defaults(runs: RunHarness) -> None:
    ada = runs.contact(first_name=None)
    runs.rows(
        "insert into email_templates (name, slug, subject, body_html, variables) values ('Hi', 'hi',"
        " 'Hello {{contact.first_name}}', '<p>{{deal.name}} &amp; {{contact.last_name|you}}</p>',"
        """ '[{"name": "contact.first_name", "default": "there"}]') returning id"""
    )
    runs.run(chain(step("send_email", template_slug="hi")), runs.deal("A<b>", lead_contact_id=ada))

    runs.tick()

    mail = runs.sim.mails[0].payload
    assert mail["subject"] == "Hello there"
    assert "A&lt;b&gt; &amp; you" in mail["html"]
    assert "A<b> & you" in mail["text"]


def test_a_notification_that_reaches_nobody_is_skipped(runs: RunHarness) -> None:
    run = runs.run(
        chain(step("send_notification", role="partner", title="x", message="y"), step("create_activity", subject="z"))
    )

    runs.tick()

    assert runs.steps(run) == [("0", "skipped"), ("1", "completed")]


def test_a_notification_whose_template_cannot_be_filled_fails_its_run_alone(runs: RunHarness) -> None:
    owner = runs.person()
    workflow = runs.workflow(
        chain(
            step("create_activity", subject="before"),
            step("send_notification", to="owner", template_slug="task_assigned"),
        )
    )
    bad = runs.start(workflow, runs.deal(owner_id=owner))
    good = runs.run(chain(step("create_task", title="good")))

    runs.tick()

    assert (runs.status(bad), runs.status(good)) == ("failed", "completed")
    assert runs.steps(bad) == [("0", "completed"), ("1", "failed")]
    assert sorted(row["subject"] for row in runs.activities()) == ["before", "good"]
