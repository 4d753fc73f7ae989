"""A step of any kind for another host: how it is asked for, what a worker answers, and how that comes home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.farm.demand import Demand

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, kw_only=True)
class StepAnswer:
    """How a step ended on a worker.

    Args:
        worker: The worker's address.
        name: The worker's name.
        error: The error, as `told` takes it apart.
        elsewhere: Why another worker should do it instead: a full disk, files that did not arrive.
        stopped: It was ended because nobody wanted it; who wants it by now asks again.
    """

    worker: str
    name: str
    error: tuple[type[Exception], tuple[Any, ...], dict[str, Any]] | None = None
    elsewhere: str = ""
    stopped: bool = False


class Order(Protocol):
    """What is sent to a worker: it can be pickled."""

    @property
    def files(self) -> Mapping[str, int]:
        """What must be in the worker's store: sha256 to size in bytes."""

    @property
    def topic(self) -> str:
        """Where its events go."""


AnswerT = TypeVar("AnswerT", bound=StepAnswer)
HomeT_co = TypeVar("HomeT_co", covariant=True)


class FarmStep(Protocol[AnswerT, HomeT_co]):
    """A step as its master sees it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def past(self) -> str:
        """What is done to it, such as `built`."""

    @property
    def key(self) -> str:
        """The key that it is submitted under: two masters with the same key share one step."""

    @property
    def demand(self) -> Demand:
        """What it asks of a worker."""

    @property
    def order(self) -> Order:
        """What is sent."""

    def function(self) -> Callable[[Any], AnswerT]:
        """Return what a worker calls with the order."""

    def home(self, client: Client, answer: AnswerT) -> HomeT_co:
        """Bring home what the worker made, and return it.

        Raises:
            CarryError: The worker is gone; the step is asked for again.
        """

    def lost(self, worker: str) -> WheelhouseError:
        """Return the error where one worker after the other died over it, `worker` the last."""
