from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("balances", "0006_job_lacks")]

    operations = [
        migrations.AddField(
            model_name="balance",
            name="tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="balance", name="next_try", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="balance", name="unread_block", field=models.BigIntegerField(null=True)
        ),
    ]
