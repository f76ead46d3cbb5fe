"""Sentences made false on purpose, one fact at a time, so that tests of the truth can fail."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from supcr_bench.render.sentences import Sentence


def falsehoods(sentence: Sentence) -> Iterator[Sentence]:
    """The sentence with each of its facts changed."""
    for name, value in sentence.facts.items():
        for other in _changed(value):
            yield replace(sentence, facts={**sentence.facts, name: other})


def _changed(value: Any) -> Iterator[Any]:
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
        case float():
            yield 1.5 * value + 0.01
        case str():
            yield f"{value} too"
        case Mapping():
            for key, own in value.items():
                yield {k: v for k, v in value.items() if k != key}
                for other in _changed(own):
                    yield {**value, key: other}
        case tuple() | list():
            yield (*value, *value[:1], "too")
            for i, own in enumerate(value):
                for other in _changed(own):
                    yield (*value[:i], other, *value[i + 1 :])


def still_holds(decide: Callable[..., bool], *false: object) -> bool:
    """Whether what was made false is found true; it is not if it speaks of what does not exist."""
    try:
        return decide(*false)
    except (AssertionError, LookupError, StopIteration, ValueError):
        return False


@dataclass
class Tries:
    """How often each kind of false text was tried, ``most`` times each, and was found true."""

    most: int = 10
    tried: Counter[Hashable] = field(default_factory=Counter)
    found_true: Counter[Hashable] = field(default_factory=Counter)

    def add(self, kind: Hashable, decide: Callable[..., bool], *false: object) -> None:
        """Decide what was made false, if its kind was not yet tried often enough."""
        if self.tried[kind] < self.most:
            self.tried[kind] += 1
            self.found_true[kind] += still_holds(decide, *false)
