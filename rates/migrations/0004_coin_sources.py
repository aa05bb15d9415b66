from django.db import migrations

# CryptoCompare ranks best but needs a paid key; CoinGecko answers without one.
SOURCES = {
    "coinmarketcap": {
        "price_position": 1,
        "rank_position": 2,
        "monthly_credits": 15_000,
        "key_variable": "COINMARKETCAP_API_KEY",
    },
    "cryptocompare": {"rank_position": 1, "key_variable": "CRYPTOCOMPARE_API_KEY"},
    "coingecko": {
        "price_position": 2,
        "rank_position": 3,
        "key_variable": "COINGECKO_API_KEY",
        "keyless": True,
    },
}


def make_sources(apps, schema_editor):
    for name, facts in SOURCES.items():
        source, _ = apps.get_model("rates", "CoinSource").objects.get_or_create(
            name=name, defaults=facts
        )
        apps.get_model("rates", "CoinSourceState").objects.get_or_create(source=source)


class Migration(migrations.Migration):
    dependencies = [("rates", "0003_coins")]

    operations = [migrations.RunPython(make_sources, migrations.RunPython.noop)]
