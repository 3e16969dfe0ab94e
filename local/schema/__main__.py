"""`make schema`: writes `schema/{tables,functions,views,triggers}/<room>.sql` and `schema/setup.sql`."""

import sys

from local.schema.files import FOLDER, files_of_the_migrations, write

if __name__ == "__main__":
    for path in write(files_of_the_migrations(), FOLDER):
        sys.stdout.write(f"schema/{path}\n")
