from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("balances", "0008_endpoint_configured")]

    operations = [
        migrations.RemoveIndex(model_name="balance", name="balance_stale"),
        migrations.AddIndex(
            model_name="balance",
            index=models.Index(
                F("tries"), F("id"), name="balance_in_doubt", condition=Q(stale=True)
            ),
        ),
        migrations.DeleteModel(name="DailyBalance"),
    ]
