from foundation.errors import InvalidInput


def test_the_envelope_names_the_field_to_blame():
    error = InvalidInput("Check the fields.", fields={"limit": ["Give 1 to 500."]})
    assert error.envelope() == {
        "error": {
            "code": "invalid",
            "message": "Check the fields.",
            "fields": {"limit": ["Give 1 to 500."]},
        }
    }


def test_without_fields_the_envelope_has_none():
    assert InvalidInput("No.", code="nope").envelope() == {
        "error": {"code": "nope", "message": "No."}
    }
