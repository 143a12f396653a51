from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pet.domain.ids import FileId, UserId, new_uuid7
from pet.security.links import LinkSigner

SECRET = b"s" * 48
FILE, VIEWER = FileId(new_uuid7()), UserId(new_uuid7())
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def signer() -> LinkSigner:
    return LinkSigner(SECRET)


def test_a_signed_link_names_its_viewer(signer: LinkSigner) -> None:
    parameters = signer.sign(FILE, VIEWER, NOON)
    assert (parameters["viewer"], parameters["expires"]) == (VIEWER, str(int(NOON.timestamp()) + 7 * 3600))
    assert signer.verify(FILE, parameters, NOON) == VIEWER


def test_another_process_with_the_same_secret_verifies_it(signer: LinkSigner) -> None:
    assert LinkSigner(SECRET).verify(FILE, signer.sign(FILE, VIEWER, NOON), NOON) == VIEWER


@pytest.mark.parametrize("minutes", [0, 1, 30, 59])
def test_a_link_stays_the_same_for_an_hour_and_opens_for_six_hours_more(signer: LinkSigner, minutes: int) -> None:
    now = NOON + timedelta(minutes=minutes)
    parameters = signer.sign(FILE, VIEWER, now)
    assert parameters == signer.sign(FILE, VIEWER, NOON)
    assert signer.verify(FILE, parameters, now + timedelta(hours=6)) == VIEWER
    assert signer.verify(FILE, parameters, NOON + timedelta(hours=7)) is None


def test_the_next_hour_has_another_link(signer: LinkSigner) -> None:
    assert signer.sign(FILE, VIEWER, NOON) != signer.sign(FILE, VIEWER, NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"viewer": new_uuid7()}, id="another_viewer"),
        pytest.param({"viewer": VIEWER.upper()}, id="another_spelling"),
        pytest.param({"expires": "9999999999"}, id="later_expiry"),
        pytest.param({"expires": "soon"}, id="expiry_is_no_number"),
        pytest.param({"signature": ""}, id="empty_signature"),
        pytest.param({"signature": "A" * 43}, id="wrong_signature"),
        pytest.param({"signature": "ä" * 43}, id="signature_not_ascii"),
        pytest.param({"signature": "\ud800"}, id="lone_surrogate"),
        pytest.param({"viewer": "\ud800"}, id="viewer_lone_surrogate"),
    ],
)
def test_an_altered_link_opens_nothing(signer: LinkSigner, changes: dict[str, str]) -> None:
    assert signer.verify(FILE, signer.sign(FILE, VIEWER, NOON) | changes, NOON) is None


@pytest.mark.parametrize("missing", ["viewer", "expires", "signature"])
def test_an_incomplete_link_opens_nothing(signer: LinkSigner, missing: str) -> None:
    parameters = signer.sign(FILE, VIEWER, NOON)
    del parameters[missing]
    assert signer.verify(FILE, parameters, NOON) is None


def test_a_padded_or_lengthened_signature_opens_nothing(signer: LinkSigner) -> None:
    parameters = signer.sign(FILE, VIEWER, NOON)
    for suffix in ("=", "A"):
        assert signer.verify(FILE, parameters | {"signature": parameters["signature"] + suffix}, NOON) is None


def test_a_link_opens_no_other_file_and_no_other_installation(signer: LinkSigner) -> None:
    parameters = signer.sign(FILE, VIEWER, NOON)
    assert signer.verify(new_uuid7(), parameters, NOON) is None
    assert LinkSigner(b"t" * 48).verify(FILE, parameters, NOON) is None


def test_parts_cannot_be_shifted_into_each_other(signer: LinkSigner) -> None:
    parameters = signer.sign(FILE, VIEWER, NOON)
    assert signer.verify(FILE + VIEWER[:4], parameters | {"viewer": VIEWER[4:]}, NOON) is None
    expires = parameters["expires"]
    shifted = parameters | {"viewer": expires, "expires": ""}
    assert signer.verify(f"{FILE}\n{VIEWER}", shifted, NOON) is None
    assert signer.verify(FILE, parameters | {"viewer": f"{VIEWER}\n{expires}", "expires": ""}, NOON) is None


def test_other_parameters_are_ignored(signer: LinkSigner) -> None:
    assert signer.verify(FILE, signer.sign(FILE, VIEWER, NOON) | {"download": "1"}, NOON) == VIEWER
