"""The table of counted attempts (sign-in, codes, resets), in the shape of Django's database cache."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            CREATE UNLOGGED TABLE attempts (
                cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL
            );
            CREATE INDEX attempts_expires ON attempts (expires);
            """,
            "DROP TABLE attempts",
        ),
    ]
