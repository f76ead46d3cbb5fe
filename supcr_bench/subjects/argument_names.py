"""Says what the name of an argument means: embeddings, labels, a temperature, or another thing."""

import keyword
import re
from collections.abc import Sequence
from inspect import Parameter

_TEMPERATURES = ("temperature", "tau", "t", "temp")
_ROLES = {
    "extra": r"steps?|epochs?|iter\w*|ind(ex|exes|ices)|idxs?|ids?|device|mask|mode|phase|margin"
    r"|model|names?|n|num|size|meta|config|cfg|args|opts?|alpha|beta|gamma|lam|mean|std|sigma|weights?"
    r"|confidences?|world|scale",
    "distances": r"d|dists?|distances?|deltas?|diffs?|differences?",
    "labels": r"labels?|lbls?|targets?|gts?|values?|true|truths?|scores?|ages?|ys?|t"
    r"|ranks?|ranking|grades?|levels?|prices?",
    "views": r"feat(ure)?s?|f|emb(ed\w*)?s?|zi?s?|zjs|xs?|hs?|hidden|proj\w*|reps?|representations?"
    r"|views?|inputs?|outputs?|vectors?|latents?|codes?|anchors?|positives?|negatives?|query|queue|q|k|keys?"
    r"|perturbed|intact|preds?|predictions?|augmented|original",
}
"""Words in the names of arguments, by role; the last word that has a role decides."""
_PREDICTIONS = r"(y_)?(preds?|predictions?|predicted|hat|logits)(_\w+)?"


def is_temperature(name: str, default: object = None) -> bool:
    plain = name.lower().replace("_", "")
    named = plain in _TEMPERATURES or (
        "temperature" in plain and not re.search("base|sched", plain)
    )
    absent = default is None or default is Parameter.empty
    return named and (absent or (isinstance(default, int | float) and default is not False))


def is_prediction(name: str) -> bool:
    return re.fullmatch(_PREDICTIONS, name.lower()) is not None


def role_of(name: str) -> str | None:
    """The role of an argument by its name: views, labels, distances, extra, or unknown."""
    for word in reversed(re.split(r"[_\d]+", name.lower())):
        for role, words in _ROLES.items():
            if re.fullmatch(words, word):
                return role
    return None


def are_views(names: Sequence[str]) -> bool:
    """Whether arguments, embeddings by their names, are surely all views of the same rows.

    These are three, as of a triplet, or two whose names differ in one part, as z1 and z2, or in one
    letter, as zis and zjs.
    """
    if len(names) != 2:
        return len(names) > 2
    first, second = names
    parts = [re.split(r"_|(?<=\D)(?=\d)", name) for name in (first, second)]
    apart = [a != b for a, b in zip(*parts, strict=False)]
    letters = [a != b for a, b in zip(first, second, strict=False)]
    same = len(parts[0]) == len(parts[1]) > 1 and sum(apart) == 1
    return same or (len(first) == len(second) > 1 and sum(letters) == 1)


def can_be_named(name: str) -> bool:
    """Whether a name can be that of an argument, unlike ``lambda`` or ``loss-temp``."""
    return name.isidentifier() and not keyword.iskeyword(name)
