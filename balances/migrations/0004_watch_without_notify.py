from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("balances", "0003_balances_by_block")]

    operations = [migrations.RemoveField(model_name="watch", name="notify")]
