"""A worker of the campaign engine in a process of its own: connects, waits for a line, and does all steps that are due.

`python -m benchmarks.engine_process DATABASE_URL RESEND_URL KEY`; prints `ready`, and then how many steps it did.
"""

import sys

from benchmarks.campaigns import do_all_steps
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query

if __name__ == "__main__":
    database_url, resend_url, key = sys.argv[1:]
    database = Database(database_url, timeout=60)
    database.run(Query.parse("connect", "connects", "select 1 as one"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{do_all_steps(database, resend_url, key).claimed}\n")
    sys.stdout.flush()
