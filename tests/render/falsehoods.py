"""Sentences made false on purpose, one fact at a time, so that tests of the truth can fail."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
