"""``manage.py import_watches``: many addresses at once."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from balances.models import Address, BackfillJob, Chain
from balances.services import bulk, upkeep, watches
from balances.tests import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return User.objects.create_user("ann")


def run(tmp_path, text, **options):
    file = tmp_path / "addresses.csv"
    file.write_text(text, encoding="utf-8")
    out = io.StringIO()
    call_command("import_watches", str(file), stdout=out, stderr=out, **options)
    return out.getvalue().strip()


def test_one_address_a_line_is_followed_for_good(tmp_path):
    ledger.make_chain()
    said = run(tmp_path, f"{ledger.text(1)}\n\n{ledger.text(2)}\n{ledger.text(1)}\n")
    assert said == "3 read, 2 new, 0 refused"
    assert BackfillJob.objects.filter(kind="seed").count() == 2

    upkeep.prune(timezone.now())
    assert Address.objects.count() == 2


def test_a_file_with_a_heading_brings_labels_and_groups(tmp_path, ann):
    run(tmp_path, f"label,address,group\nTill,{ledger.text(1)},Shop\n", owner="ann")
    (watch,) = watches.of(ann)
    assert (watch.label, watch.group, str(watch.address)) == ("Till", "Shop", ledger.text(1))


def test_it_is_safe_to_repeat_and_keeps_names_that_stand(tmp_path, ann):
    watches.add(ann, ledger.text(1), label="mine")
    text = f"{ledger.text(1)},other\n{ledger.text(2)},new\n"
    run(tmp_path, text, owner="ann")
    assert run(tmp_path, text, owner="ann") == "2 read, 0 new, 0 refused"
    assert [watch.label for watch in watches.of(ann)] == ["mine", "new"]


def test_chains_are_told_once_a_batch(tmp_path, monkeypatch):
    chain = ledger.make_chain()
    monkeypatch.setattr(bulk, "AT_ONCE", 10)
    run(tmp_path, "\n".join(ledger.text(n) for n in range(25)))
    assert Address.objects.count() == 25
    assert Chain.objects.get(pk=chain.pk).watch_seq == 3


def test_lines_that_are_no_address_are_named_and_the_others_go_in(tmp_path):
    with pytest.raises(CommandError):
        run(tmp_path, f"{ledger.text(1)}\nnonsense\n")
    assert Address.objects.count() == 1


@pytest.mark.parametrize("options", [{"owner": "nobody"}])
def test_an_unknown_owner_is_an_error(tmp_path, options):
    with pytest.raises(CommandError, match="no user"):
        run(tmp_path, ledger.text(1), **options)


def test_a_file_that_is_not_there_or_not_text_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_watches", str(tmp_path / "none"))
    (tmp_path / "odd").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_watches", str(tmp_path / "odd"))
