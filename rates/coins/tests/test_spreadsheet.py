"""The CSV as a spreadsheet opens it, and its prices against the digits that the source sent."""

import re
from decimal import Decimal
from io import BytesIO

import httpx
import pytest
from openpyxl.reader.excel import load_workbook
from tablib.core import Dataset

from rates.coins.services import refresh
from rates.coins.tests.market import Clock

pytestmark = pytest.mark.django_db
# A row's symbol and, later in it, the number as it stands in the document.
PRICED = re.compile(r'"symbol": ?"([^"]+)".*?"symbol": ?"USD".*?"price": ?([0-9.eE+-]+)', re.DOTALL)


@pytest.fixture
def text(upstream, client):
    """``/coins.csv`` of every coin."""
    for purpose in ("price", "rank"):
        refresh.refresh(purpose, clock=Clock())
    return client.get("/coins.csv?limit=500").content.decode()


def test_a_spreadsheet_opens_the_file_unchanged(text):
    sheet = Dataset().load(text, format="csv")
    assert sheet.headers == ["Rank", "Symbol", "Price USD"]
    assert sheet.height == 500
    assert sheet.export("csv") == text
    book = load_workbook(BytesIO(sheet.export("xlsx")))
    cells = [[str(cell) for cell in row] for row in book.active.values]
    assert cells == [line.split(",") for line in text.split("\r\n")[:-1]]


def test_every_price_has_the_digits_that_the_source_sent(text, upstream):
    url = f"{upstream.rest_url}/coinmarketcap/v3/cryptocurrency/listings/latest?limit=500"
    document = httpx.get(url, headers={"X-CMC_PRO_API_KEY": "k"}, trust_env=False).text
    sent = dict(PRICED.findall(document))
    assert len(sent) == 500
    sheet = Dataset().load(text, format="csv")
    # A symbol that a spreadsheet would execute stands behind an apostrophe.
    shown = {symbol.removeprefix("'"): price for _, symbol, price in sheet}
    assert set(shown) == set(sent)
    as_sent = {symbol: price for symbol, price in sent.items() if "e" not in price}
    assert len(as_sent) > 400
    assert {symbol: shown[symbol] for symbol in as_sent} == as_sent
    for symbol, price in shown.items():
        assert "e" not in price
        assert Decimal(price) == Decimal(sent[symbol])
