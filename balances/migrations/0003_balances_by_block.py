from django.db import migrations, models
from django.db.models import F


class Migration(migrations.Migration):
    dependencies = [("balances", "0002_push_sequence")]

    operations = [
        migrations.AddIndex(
            model_name="balance",
            index=models.Index(F("token"), F("block_number"), name="balance_block"),
        ),
        migrations.AddIndex(
            model_name="coverage",
            index=models.Index(F("token"), F("from_block"), name="coverage_from"),
        ),
        migrations.AddIndex(
            model_name="coverage",
            index=models.Index(F("token"), F("to_block"), name="coverage_to"),
        ),
    ]
