from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("balances", "0005_keeps")]

    operations = [
        migrations.AddField(
            model_name="backfilljob",
            name="lacks",
            field=models.CharField(blank=True, db_default="", default="", max_length=6),
        )
    ]
