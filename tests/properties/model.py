"""The network as it should be: what every counter, list and feed shows, without a store, an event or a race."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pet.domain.stats import Stats

HOUR, HALF_AN_HOUR = timedelta(hours=1), timedelta(minutes=30)
Pair = tuple[str, str]


@dataclass
class Model:
    """People by name, `True` for the private ones; who follows whom since when; tracks, plays and what feeds tell.

    `blocks` are pairs like those of follows: the first is kept out by the second.
    """

    people: dict[str, bool] = field(default_factory=dict)
    following: dict[Pair, datetime] = field(default_factory=dict)
    asking: dict[Pair, datetime] = field(default_factory=dict)
    blocks: set[Pair] = field(default_factory=set)
    tracks: dict[str, str] = field(default_factory=dict)
    plays: dict[str, int] = field(default_factory=dict)
    track_plays: dict[str, int] = field(default_factory=dict)
    heard: dict[Pair, datetime] = field(default_factory=dict)
    news: list[tuple[datetime, str, str]] = field(default_factory=list)
    """(when, who, which track): an empty track means that the profile was updated."""

    def follow(self, who: str, whom: str, at: datetime) -> None:
        known = {*self.following, *self.asking, *self.blocks}
        if (who, whom) not in known and (whom, who) not in self.blocks:
            (self.asking if self.people[whom] else self.following)[who, whom] = at

    def end(self, who: str, whom: str) -> None:
        self.following.pop((who, whom), None)
        self.asking.pop((who, whom), None)

    def block(self, who: str, whom: str) -> None:
        """Let `whom` keep `who` out."""
        self.end(who, whom)
        self.end(whom, who)
        self.blocks.add((who, whom))

    def accept(self, who: str, whom: str) -> None:
        if (who, whom) in self.asking:
            self.following[who, whom] = self.asking.pop((who, whom))

    def set_private(self, who: str, *, is_private: bool) -> None:
        self.people[who] = is_private
        for pair in [] if is_private else [pair for pair in self.asking if pair[1] == who]:
            self.accept(*pair)

    def publish(self, who: str, track: str, at: datetime) -> None:
        self.tracks[track], self.track_plays[track] = who, 0
        self.news.append((at, who, track))

    def unpublish(self, track: str) -> None:
        del self.tracks[track]
        self.news = [item for item in self.news if item[2] != track]

    def update(self, who: str, at: datetime) -> None:
        self.news = [item for item in self.news if item[1:] != (who, "") or item[0] <= at - HOUR]
        self.news.append((at, who, ""))

    def play(self, track: str, listener: str, at: datetime) -> None:
        last = self.heard.get((track, listener))
        if listener != self.tracks[track] and (last is None or last <= at - HALF_AN_HOUR):
            self.heard[track, listener] = at
            self.track_plays[track] += 1
            self.plays[self.tracks[track]] = self.plays.get(self.tracks[track], 0) + 1

    def leave(self, who: str) -> None:
        del self.people[who]
        for pair in [pair for pair in (*self.following, *self.asking) if who in pair]:
            self.end(*pair)
        self.blocks = {pair for pair in self.blocks if who not in pair}
        for track in [track for track, owner in self.tracks.items() if owner == who]:
            self.unpublish(track)
        self.news = [item for item in self.news if item[1] != who]

    def stats(self, who: str) -> Stats:
        return Stats(
            tracks=sum(owner == who for owner in self.tracks.values()),
            followers=sum(pair[1] == who for pair in self.following),
            following=sum(pair[0] == who for pair in self.following),
            plays=self.plays.get(who, 0),
        )

    def listed(self, pairs: dict[Pair, datetime], side: int, who: str) -> list[str]:
        """Return the other side of someone's pairs, newest first."""
        return [
            pair[1 - side] for pair, _ in sorted(pairs.items(), key=lambda p: p[1], reverse=True) if pair[side] == who
        ]

    def feed(self, who: str, viewer: str | None) -> list[tuple[str, str]]:
        """Return (who, which track) of what a feed shows to a viewer, newest first."""
        if not self.sees(viewer, who):
            return []
        shown = [item for item in self.news if (who, item[1]) in self.following and self.sees(viewer, item[1], of=who)]
        return [item[1:] for item in sorted(shown, reverse=True)]

    def sees(self, viewer: str | None, whom: str, *, of: str = "") -> bool:
        """Tell whether a viewer sees more than the card; the owner of a feed sees all that it holds."""
        if viewer in (whom, of):
            return True
        if viewer is None:
            return not self.people[whom]
        is_let_in = not self.people[whom] or (viewer, whom) in self.following
        return is_let_in and (viewer, whom) not in self.blocks
