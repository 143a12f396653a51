"""Who is in the demo: people, their albums and songs, and who follows whom. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass

from pet.demo import songs
from pet.demo.songs import Score
from pet.domain.viewers import Role


@dataclass(frozen=True, slots=True)
class Song:
    """A song's title and score."""

    title: str
    score: Score


@dataclass(frozen=True, slots=True)
class Album:
    """Songs with a common cover: `painting` names what `covers` paints."""

    title: str
    painting: str
    genre: str
    songs: tuple[Song, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone of the demo. `follows` names others by username; `admits` those of them whom a private person let in.

    `colours` are the avatar's: background, hair, skin and clothes.
    """

    username: str
    name: str
    role: Role
    bio: str
    location: str
    genres: tuple[str, ...]
    colours: tuple[str, str, str, str]
    follows: tuple[str, ...]
    instruments: tuple[str, ...] = ()
    telegram: str | None = None
    has_long_hair: bool = False
    is_private: bool = False
    admits: tuple[str, ...] = ()
    albums: tuple[Album, ...] = ()

    @property
    def email(self) -> str:
        """An address that cannot exist (RFC 2606, section 2)."""
        return f"{self.username}@pet.example"


def _song(title: str, tempo: int, chords: str, style: songs.Style) -> Song:
    return Song(title, Score(tempo, chords, style))


PRIYA = Person(
    username="priya.raman",
    name="Priya Raman",
    role=Role.LISTENER,
    bio="I collect first albums and late buses. Ask me for a playlist.",
    location="Chennai",
    genres=("folk", "lo-fi", "jazz"),
    colours=("#f2c14e", "#2b1d1a", "#a86b45", "#5f0f40"),
    has_long_hair=True,
    follows=("mira.solberg", "yuki.tanabe", "kofi.mensah", "tomas.ferreira", "jonas.weber"),
)
JONAS = Person(
    username="jonas.weber",
    name="Jonas Weber",
    role=Role.LISTENER,
    bio="Record shop on weekdays, listening on Sundays.",
    location="Leipzig",
    genres=("jazz", "synthwave"),
    colours=("#8fa3ad", "#6b4f3a", "#e8c4a2", "#34495e"),
    follows=("anya.vorontsova", "tomas.ferreira"),
    is_private=True,
    admits=("priya.raman",),
)
NOOR = Person(
    username="noor.haddad",
    name="Noor Haddad",
    role=Role.LISTENER,
    bio="Writes about small concerts in big cities.",
    location="Amman",
    genres=("highlife", "bossa nova", "ambient"),
    colours=("#d9ae94", "#1c1c2b", "#c98f66", "#1b6b5f"),
    has_long_hair=True,
    follows=("kofi.mensah", "mira.solberg", "anya.vorontsova", "jonas.weber"),
)
MIRA = Person(
    username="mira.solberg",
    name="Mira Solberg",
    role=Role.MUSICIAN,
    bio="Songs written on the ferry, recorded in the boathouse.",
    location="Bergen",
    genres=("folk", "ambient"),
    instruments=("guitar", "music box"),
    telegram="@mira_solberg",
    colours=("#7fb7be", "#d9a441", "#f1d2b6", "#274060"),
    has_long_hair=True,
    follows=("yuki.tanabe", "tomas.ferreira"),
    albums=(
        Album(
            "Harbour Lights",
            "harbour",
            "Folk",
            (
                _song("First Ferry", 100, "D A Bm G D A G D", songs.FOLK),
                _song("Lanterns", 132, "G Em C D G Em Am D Bm Em C D C G", songs.WALTZ),
            ),
        ),
        Album(
            "Slow Snow",
            "snow",
            "Ambient",
            (_song("Slow Snow", 66, "Fmaj7 Am7 Dm7 Bbmaj7 Fadd9", songs.SNOWFALL),),
        ),
    ),
)
TOMAS = Person(
    username="tomas.ferreira",
    name="Tomás Ferreira",
    role=Role.MUSICIAN,
    bio="Nylon strings, small rooms, long evenings.",
    location="Lisboa",
    genres=("bossa nova", "jazz"),
    instruments=("classical guitar", "piano"),
    colours=("#e4572e", "#2f1b12", "#d9a27c", "#f3e9d2"),
    follows=("mira.solberg", "kofi.mensah", "yuki.tanabe"),
    albums=(
        Album(
            "Miradouro",
            "rooftops",
            "Bossa Nova",
            (
                _song("Rua da Bica", 126, "Dm9 G9 Cmaj7 A7 Dm9 G9 Em7 A7 Dm7 Cmaj7", songs.BOSSA),
                _song("Quiosque", 120, "Fmaj7 D7 Gm7 C9 Am7 Dm9 Gm7 C7 Fmaj7", songs.SWING),
            ),
        ),
    ),
)
ANYA = Person(
    username="anya.vorontsova",
    name="Аня Воронцова",
    role=Role.MUSICIAN,
    bio="Синтезаторы, последний трамвай и немного снега.",
    location="Казань",
    genres=("synthwave", "electronic"),
    instruments=("synthesizer", "drum machine"),
    telegram="@anya_synth",
    colours=("#3d2c8d", "#ff6f91", "#f3d1bf", "#00c2c7"),
    has_long_hair=True,
    follows=("yuki.tanabe", "mira.solberg"),
    albums=(
        Album(
            "Ночной трамвай",
            "retro",
            "Synthwave",
            (
                _song("Ночной трамвай", 104, "Am F C G Am F G Am", songs.TRAM),
                _song("Неон и снег", 92, "Em C G D Em C Em", songs.NEON),
            ),
        ),
    ),
)
KOFI = Person(
    username="kofi.mensah",
    name="Kofi Mensah",
    role=Role.MUSICIAN,
    bio="Two guitars, one groove. Highlife for any hour.",
    location="Accra",
    genres=("highlife", "palm-wine"),
    instruments=("electric guitar", "bass", "percussion"),
    colours=("#f6ae2d", "#14110f", "#6f4a32", "#2a9d8f"),
    follows=("tomas.ferreira", "noor.haddad"),
    albums=(
        Album(
            "Golden Hour",
            "rays",
            "Highlife",
            (
                _song("Makola Morning", 116, "C F G C Am F G G C", songs.HIGHLIFE),
                _song("Osu Nights", 108, "Bb Eb F Bb Gm Eb F F Bb", songs.PALMWINE),
            ),
        ),
    ),
)
YUKI = Person(
    username="yuki.tanabe",
    name="Yuki Tanabe",
    role=Role.MUSICIAN,
    bio="Beats for rain, tea and homework.",
    location="Sapporo",
    genres=("lo-fi", "jazz"),
    instruments=("electric piano", "sampler"),
    colours=("#b8c0ff", "#22223b", "#f0cfb0", "#f28482"),
    follows=("anya.vorontsova", "mira.solberg", "priya.raman"),
    albums=(
        Album(
            "Desk Lamp",
            "window",
            "Lo-fi",
            (
                _song("Rain Check", 78, "Dm9 G9 Cmaj7 Am7 Fmaj7 Cmaj7", songs.LOFI),
                _song("Night Bus 12", 72, "Ebmaj7 Cm7 Fm9 Bb9 Gm7 Ebmaj7", songs.LOFI),
                _song("Paper Cranes", 84, "Gmaj7 Em7 Am9 D9 Bm7 Am7 Gmaj7", songs.SNOWFALL),
            ),
        ),
    ),
)

PEOPLE = (PRIYA, JONAS, NOOR, MIRA, TOMAS, ANYA, KOFI, YUKI)
"""In the order in which they join, so that lists, which are newest first, begin with those who have tracks."""
