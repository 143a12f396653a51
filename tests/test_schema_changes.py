"""A change of the schema that breaks clients does not pass unnoticed, whatever history a clone has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="the script compares with what git knows")

SCRIPT = Path(__file__).parents[1] / ".ci" / "schema_changes.py"
OLD = "type Query {\n  bio: String\n  role(of: ID): Role\n}\n\nenum Role {\n  LISTENER\n  MUSICIAN\n}\n"
NEW = "type Query {\n  role(of: ID!): Role\n}\n\nenum Role {\n  LISTENER\n}\n"
CHANGES = [
    "Field Query.bio was removed.",
    "Argument Query.role(of:) has changed type from ID to ID!.",
    "Enum value Role.MUSICIAN was removed.",
]


class Repository:
    """A git repository with a schema and a changelog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        """Run git here, as nobody in particular."""
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(("git", *identity, *arguments), cwd=self.folder, check=True, capture_output=True)

    def write(self, schema: str, changelog: str = "# Changelog\n") -> None:
        """Change the files of the work tree."""
        (self.folder / "schema.graphql").write_text(schema)
        (self.folder / "CHANGELOG.md").write_text(changelog)

    def commit(self, schema: str, changelog: str = "# Changelog\n") -> None:
        """Change the files, and commit them."""
        self.write(schema, changelog)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change the schema")

    def check(self) -> tuple[int, list[str]]:
        """Run the script, and return its exit status and what it prints."""
        done = subprocess.run((sys.executable, SCRIPT), cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.commit(OLD)
    return made


def told(repository: Repository) -> list[str]:
    """Return the breaking changes that are told, which must fail."""
    status, lines = repository.check()
    assert status == 1
    assert lines[-1].startswith("Deprecate instead")
    return [line.partition(": ")[2] for line in lines[:-1]]


def test_a_branch_is_compared_with_where_it_parted_from_main(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(NEW)
    repository.commit(NEW)
    assert told(repository) == CHANGES


def test_the_work_tree_is_compared_before_it_is_committed(repository: Repository) -> None:
    repository.commit(OLD)
    repository.write(NEW)
    assert told(repository) == CHANGES


def test_main_is_compared_with_the_commit_before(repository: Repository) -> None:
    repository.commit(NEW)
    assert told(repository) == CHANGES
    repository.commit(NEW)
    assert repository.check() == (0, [])


def test_a_merge_is_compared_with_what_it_was_merged_into(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(NEW)
    repository.commit(NEW)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "Merge", "feature")
    repository.git("branch", "--quiet", "-D", "feature")
    assert told(repository) == CHANGES


def test_what_the_changelog_names_may_break(repository: Repository) -> None:
    sentences = [CHANGES[0].replace("Query.bio", "`Query.bio`"), *CHANGES[1:]]
    repository.commit(NEW, "# Changelog\n\n" + "".join(f"- {sentence}\n" for sentence in sentences))
    assert repository.check() == (0, [])
    repository.git("reset", "--quiet", "--hard", "HEAD^")
    repository.commit(NEW, f"# Changelog\n\n- {CHANGES[0]}\n")
    assert told(repository) == CHANGES[1:]


def test_an_addition_breaks_nothing(repository: Repository) -> None:
    repository.commit(OLD.replace("bio: String", "bio(max: Int): String!\n  name: String"))
    assert repository.check() == (0, [])


def test_a_clone_without_history_passes(repository: Repository, tmp_path: Path) -> None:
    repository.commit(NEW)
    shallow = tmp_path / "shallow"
    subprocess.run(("git", "clone", "--quiet", "--depth=1", repository.folder.as_uri(), shallow), check=True)
    done = subprocess.run((sys.executable, SCRIPT), cwd=shallow, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "schema.graphql: there is no earlier version to compare with.\n")


def test_without_a_repository_there_is_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "schema.graphql").write_text(NEW)
    done = subprocess.run(
        (sys.executable, SCRIPT),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    assert (done.returncode, done.stdout) == (0, "schema.graphql: there is no earlier version to compare with.\n")
