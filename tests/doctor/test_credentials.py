"""What `pet doctor` finds of keys and of the cost of passwords."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pet.doctor import credentials
from pet.doctor.credentials import credential_findings, hashing_memory, hashing_time, memory_bytes
from pet.domain.media import MIB
from pet.hashing_costs import HashingCosts
from pet.settings import Settings
from pet.storage.findings import Finding, Level, failure, fine, warning

DEFAULT = HashingCosts()


def test_the_default_is_measured_and_fine(tmp_path: Path) -> None:
    findings = list(credential_findings(Settings(data_dir=tmp_path)))
    assert [(finding.level, finding.subject) for finding in findings] == [(Level.FINE, "passwords")] * 2


@pytest.mark.parametrize(
    ("costs", "milliseconds", "expected"),
    [
        (
            DEFAULT,
            10,
            fine(
                "passwords",
                "The hash of one takes 10 ms and 19 MiB, which is safe. This machine can afford more: "
                "PET_PASSWORD_HASHING=memory=19,passes=10,lanes=1,threads=2,waiting=64",
            ),
        ),
        (DEFAULT, 30, fine("passwords", "The hash of one takes 30 ms and 19 MiB.")),
        (DEFAULT, 500, fine("passwords", "The hash of one takes 500 ms and 19 MiB.")),
        (
            HashingCosts(passes=20),
            1000,
            warning(
                "passwords",
                "The hash of one takes 1000 ms and 19 MiB, so logins are slow. Set "
                "PET_PASSWORD_HASHING=memory=19,passes=5,lanes=1,threads=2,waiting=64",
            ),
        ),
        (
            DEFAULT,
            600,
            warning("passwords", "The hash of one takes 600 ms and 19 MiB, so logins are slow on this machine."),
        ),
        (
            HashingCosts(memory=1024, passes=1),
            900,
            warning(
                "passwords",
                "The hash of one takes 900 ms and 1024 MiB, so logins are slow on this machine. "
                "Less memory with more passes may be faster.",
            ),
        ),
    ],
)  # fmt: skip
def test_the_time_of_a_hash_is_judged(costs: HashingCosts, milliseconds: float, expected: Finding) -> None:
    assert hashing_time(costs, milliseconds) == expected


def test_the_memory_of_all_hashes_at_once_is_judged() -> None:
    costs = HashingCosts(memory=128, threads=4)
    told = "Hashing takes up to 512 MiB in each process, of 2,048 MiB"
    assert hashing_memory(costs, 2048 * MIB) == fine("passwords", f"{told}.")
    told = "Hashing takes up to 512 MiB in each process, of 2,047 MiB"
    advice = "Lower memory or threads in PET_PASSWORD_HASHING."
    assert hashing_memory(costs, 2047 * MIB) == warning("passwords", f"{told}. {advice}")


def test_a_container_has_the_memory_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(credentials, "_CGROUP_LIMITS", (limit,))
    limit.write_text("max\n")
    whole = memory_bytes()
    limit.write_text(f"{64 * MIB}\n")
    assert memory_bytes() == 64 * MIB < whole


def test_keys_are_looked_at(tmp_path: Path) -> None:
    def found() -> Finding:
        return next(iter(credential_findings(Settings(data_dir=tmp_path, signing_keys=tmp_path / "keys"))))

    assert found() == failure(
        "signing keys", f"They cannot be used: {tmp_path}/keys cannot be read: No such file or directory."
    )
    (tmp_path / "keys").mkdir()
    assert found().level is Level.FAILURE
    file = tmp_path / "keys" / "a.pem"
    file.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o640)
    assert found() == failure("signing keys", f"Others can read private keys. Run: chmod 600 {file}")
    file.chmod(0o600)
    assert (found().level, found().sentence.endswith("(EdDSA) signs; 0 others verify.")) == (Level.FINE, True)
