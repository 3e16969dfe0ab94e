"""The API is held to its own description: whatever is sent, no answer is a 5xx or one that the description lacks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.routes import TABLE
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.admin_stage import ADMIN, AdminStage, admin_stage
from tests.support.operations.board import plant_board

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth,"
    "negative_data_rejection,unsupported_method"
)
SECONDS = 40
OWN_PATHS = {each.path for each in TABLE}


@pytest.fixture
def stage(database: Database, database_url: str) -> Iterator[AdminStage]:
    plant_board(database, utc_now())
    with admin_stage(database_url, table=EdgeTwin()) as made:
        yield made


def test_whatever_is_sent_is_answered_as_described(stage: AdminStage, tmp_path: Path) -> None:
    description = stage.call("GET", "/api/openapi.json", token=None).json()
    # Those that integration_sync answers are asked in integration/connections/test_account_routes.py.
    description["paths"] = {path: each for path, each in description["paths"].items() if path in OWN_PATHS}
    (tmp_path / "openapi.json").write_text(json.dumps(description))
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(tmp_path / "openapi.json")]
    command += ["--url", stage.base_url, "--header", f"Authorization: Bearer {ADMIN}", "--checks", CHECKS]
    command += ["--phases", "coverage,fuzzing", "--max-examples", "12", "--workers", "2", "--generation-deterministic"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS * 3)
    assert done.returncode == 0, done.stdout[-6000:]
