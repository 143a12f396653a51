"""A schema with one of everything that GraphQL has, and the executor under it: nothing of PET."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry.permission import BasePermission

from pet.compiler.executor import Executor, ExecutorName


@strawberry.enum
class Mood(Enum):
    CALM = "calm"
    WILD = strawberry.enum_value("wild", name="FURIOUS")


@strawberry.input
class Wish:
    name: str
    toys: list[str] | None = strawberry.UNSET
    mood: Mood = Mood.CALM


@strawberry.input(one_of=True)
class Pick:
    name: str | None = strawberry.UNSET
    number: int | None = strawberry.UNSET


@strawberry.input
class Chain:
    link: str
    next: Chain | None = None
    weight: strawberry.Maybe[int]


class Keeper(BasePermission):
    message = "Keepers alone."

    def has_permission(self, source: Any, info: strawberry.Info, **arguments: Any) -> bool:
        return bool(info.context.is_keeper)


@strawberry.interface
class Animal:
    name: str

    @strawberry.field
    def greeting(self, word: str = "hello") -> str:
        return f"{word} {self.name}"

    @strawberry.field
    async def friends(self, info: strawberry.Info, first: int = 2) -> list[Animal | None]:
        await asyncio.sleep(0)
        info.context.calls.append(f"friends of {self.name}")
        found: list[Animal | None] = [Cat(name=f"friend {number}") for number in range(first)]
        return [*found, None]


async def _weight() -> float:
    return 4


@strawberry.type
class Cat(Animal):
    lives: int = 9

    @strawberry.field
    def mood(self) -> Mood:
        return Mood.WILD

    weight: float = strawberry.field(resolver=_weight, permission_classes=[Keeper])


@strawberry.type
class Dog(Animal):
    born: datetime = datetime(2020, 1, 2, 3, 4, 5, 678901, UTC)

    @strawberry.field
    def mood(self) -> Mood | None:
        return None

    @strawberry.field
    def owner(self) -> str:
        raise ValueError("the dog has run away")


@strawberry.type
class Stone:
    weight: float


Thing = Annotated[Cat | Stone, strawberry.union("Thing")]


@strawberry.type
class Query:
    @strawberry.field
    async def animals(self, info: strawberry.Info) -> list[Animal]:
        info.context.calls.append("animals")
        return [Cat(name="Tom"), Dog(name="Rex")]

    @strawberry.field
    def cat(self, info: strawberry.Info) -> Cat:
        info.context.calls.append("cat")
        return Cat(name="Tom")

    @strawberry.field
    def dog(self) -> Dog | None:
        return Dog(name="Rex")

    @strawberry.field
    def nobody(self) -> Dog | None:
        return None

    @strawberry.field
    def things(self) -> list[Thing | None]:
        return [Stone(weight=0.5), None, Cat(name="Tom")]

    @strawberry.field
    def wish(self, wish: Wish) -> str:
        return repr((wish.name, wish.toys, wish.mood))

    @strawberry.field
    def pick(self, by: Pick) -> str:
        return repr((by.name, by.number))

    @strawberry.field
    def numbers(self, of: list[int | None] | None = None, more: list[int] | None = None) -> str:
        return repr((of, more))

    @strawberry.field
    def chain(self, chain: Chain, spare: strawberry.Maybe[str | None] = None) -> str:
        return repr((chain.link, chain.next and chain.next.link, chain.weight, spare))

    @strawberry.field
    def grid(self) -> list[list[int | None] | None]:
        return [[1, None], None, [], [2147483647]]

    @strawberry.field
    def value(self, info: strawberry.Info) -> str | None:
        found: str | None = info.context.value()
        return found

    @strawberry.field
    def number(self, info: strawberry.Info) -> int:
        found: int = info.context.value()
        return found

    @strawberry.field
    def share(self, info: strawberry.Info) -> float | None:
        found: float | None = info.context.value()
        return found

    @strawberry.field
    def moment(self, info: strawberry.Info) -> datetime | None:
        found: datetime | None = info.context.value()
        return found

    @strawberry.field
    def mood(self, info: strawberry.Info) -> Mood | None:
        found: Mood | None = info.context.value()
        return found

    @strawberry.field
    def pet(self, info: strawberry.Info) -> Animal | None:
        found: Animal | None = info.context.value()
        return found

    @strawberry.field
    def pets(self, info: strawberry.Info) -> list[Cat] | None:
        found: list[Cat] | None = info.context.value()
        return found

    @strawberry.field
    async def later(self, info: strawberry.Info, name: str = "") -> str | None:
        info.context.calls.append(f"begin {name}")
        await info.context.wait()
        info.context.calls.append(f"end {name}")
        found: str | None = info.context.value()
        return found

    @strawberry.field
    def path(self, info: strawberry.Info) -> list[str]:
        return [str(part) for part in info.path.as_list()]

    @strawberry.field
    def asked(self, info: strawberry.Info) -> list[str]:
        names = [type(node).__name__ for node in info.selected_fields]
        return [info.field_name, *names, str(info.variable_values), str(info.return_type), info.query or ""]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def feed(self, info: strawberry.Info) -> str:
        info.context.calls.append("feed")
        return "fed"


@dataclass
class Context:
    """What a resolver of the zoo looks at: whom it lets in, what it returns and when, who was called."""

    is_keeper: bool = True
    value: Callable[[], Any] = lambda: None
    wait: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
    calls: list[str] = field(default_factory=list)


class ZooSchema(strawberry.Schema):
    """The zoo under one executor."""

    def __init__(self, name: ExecutorName) -> None:
        super().__init__(query=Query, mutation=Mutation, types=[Cat, Dog])
        self.executor = Executor(self, name)

    def _get_execute_function(self) -> Callable[..., Any]:
        return self.executor.execute
