from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("balances", "0007_balance_tries")]

    operations = [
        migrations.AddField(
            model_name="rpcendpoint",
            name="configured",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        )
    ]
