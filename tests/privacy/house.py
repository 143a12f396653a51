"""Ann with everything that can be hidden, and those who try her ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pet.domain.ids import new_object_id, new_uuid7
from pet.schema.scalars import global_id
from tests.privacy.asking import SCHEMA, selection
from tests.privacy.world import World

OWNER, STRANGER, KEPT_OUT, FRIEND = "ann", "eve", "kim", "bob"


@dataclass(frozen=True)
class Ids:
    """Ids of one kind: Ann's, by a name; and one of the same form that names nothing."""

    own: Mapping[str, str]
    unknown: str
    is_hidden: bool = False
    """Whether Ann's must not be told from the unknown one."""


@dataclass
class House:
    """Ann with everything that can be hidden, and those who try her ids."""

    world: World
    session_id: str
    export_id: str
    outsiders: tuple[str | None, ...]

    @property
    def home(self) -> Any:
        """What is Ann's."""
        return self.world.homes[OWNER]

    def ids(self) -> dict[str, Ids]:
        """Return Ann's ids by the kinds that routes and arguments name."""
        user, nodes = self.world.user_id(OWNER), self.world.node_ids(OWNER)
        files = {"track": self.home.track.file_id, "other": self.home.other.file_id, "cover": self.home.cover.file_id}
        return {
            "user": Ids({"ann": user}, new_uuid7()),
            "username": Ids({"ann": self.home.person.username}, "nobody-of-that-name"),
            "file": Ids(files, new_uuid7(), is_hidden=True),
            "profile node": Ids({"profile": nodes["profile"]}, global_id("Profile", new_uuid7())),
            "track node": Ids({"track": nodes["track"]}, global_id("Track", new_uuid7()), is_hidden=True),
            "activity node": Ids(
                {"activity": nodes["activity"]}, global_id("Activity", new_object_id()), is_hidden=True
            ),
            "export": Ids({"export": self.export_id}, new_uuid7(), is_hidden=True),
            "session": Ids({"session": self.session_id}, new_uuid7(), is_hidden=True),
            "image url": Ids({"cover": f"/media/file/{files['cover']}"}, f"/media/file/{new_uuid7()}", is_hidden=True),
        }

    def secrets(self, *, but: str) -> set[str]:
        """Return texts that an outsider must not be sent, but for the id that they have sent themselves."""
        home = self.home
        ids = {
            home.track.file_id,
            home.other.file_id,
            home.cover.file_id,
            home.activity_id,
            self.session_id,
            self.export_id,
        }
        return {f"{OWNER}'s bio", f"{OWNER}'s song", f"{OWNER}'s file", home.person.email} | (ids - {but})

    async def state(self) -> Any:
        """Return all of Ann's that a write could change, as she sees it; but who asks to follow her: all may."""
        shown = await self.world.service.graphql(
            f"""query ($id: ID!) {{ profile(by: {{userId: $id}}) {{ {selection(SCHEMA.type_map["Profile"], 3)} }}
            me {{ sessions {{ id }} }}
            blocks {{ edges {{ node {{ userId }} }} }} }}""",
            {"id": self.world.user_id(OWNER)},
            by=self.home.person,
        )
        bytes_of = [await self.world.version(path, by=OWNER) for path in self.home.media().values()]
        assert shown["data"]["profile"] is not None
        return shown["data"], bytes_of
