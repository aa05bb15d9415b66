from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("balances", "0001_initial")]

    operations = [
        # The order of pushes about balances, whatever process sends them.
        migrations.RunSQL(
            "CREATE SEQUENCE balances_push_seq", "DROP SEQUENCE balances_push_seq"
        ),
    ]
