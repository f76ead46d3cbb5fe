"""Says why a subject cannot be imported, and writes a wrapper for what it lacks."""

import re
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from supcr_bench.subjects.stand_ins import missing_modules, missing_parts, stand_in
from supcr_bench.subjects.uncallable import DEVICE, error_text, needs_device, place_of
from supcr_bench.values.errors import (
    UnavailableError,
    UncallableError,
    defined_names,
    nearest,
)
from supcr_bench.values.units import listed

_OTHER_FRAMEWORKS = {"tensorflow", "keras", "paddle", "mindspore", "jax", "flax", "mxnet"}
_OWN_NAMES = re.compile(
    r"_?(?:utils?|losses?|models?|data(?:sets?|loaders?)?|configs?|common|helpers?|misc|lib|src"
    r"|base|core|modules?|layers?|networks?|args|options?|tools?)(?:_\w+)?"
)
"""Names that authors give to files of their own, and that are other packages on PyPI."""
_ON_PYPI = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "PyYAML",
}
"""Packages whose modules have another name."""


def not_loaded(name: str, error: BaseException) -> UncallableError:
    reason = f"{name} cannot be imported: {error_text(error)}."
    missing = str(getattr(error, "name", None) or "")
    target = name.rpartition(":")[0]
    place = place_of(error)
    if isinstance(error, ImportError) and place and (parts := missing_parts(*place)):
        return _parts_missing(name, place, parts)
    if not isinstance(error, ImportError) or missing.split(".")[0] == "supcr_bench":
        if DEVICE.search(str(error)):
            return needs_device(name, reason, None)
        advice = "Correct the file until Python can import it."
        if not isinstance(error, SyntaxError):
            advice = "Python runs the whole file to import it: move what defines nothing under "
            advice += '`if __name__ == "__main__":`, or copy the loss to a file of its own.'
        return UncallableError("load", reason, advice)
    if not isinstance(error, ModuleNotFoundError):
        return UnavailableError("package", reason, "Install what it imports.")
    if f"{target}.".startswith(f"{missing}."):
        advice = "Name a module that Python can import here, or path/to/file.py:attribute."
        return UnavailableError("package", reason, advice)
    modules = list(dict.fromkeys((missing, *(missing_modules(place[0]) if place else ()))))
    if foreign := [m for m in modules if m.partition(".")[0] in _OTHER_FRAMEWORKS]:
        top = foreign[0].partition(".")[0]
        advice = f"supcr-bench measures PyTorch: write it in torch, in place of {top}."
        return UnavailableError("package", reason, advice)
    wrapper = stand_in(name, missing)
    own = [m for m in modules if _OWN_NAMES.fullmatch(m.partition(".")[0])]
    others = dict.fromkeys(m.partition(".")[0] for m in modules if m not in own)
    advice = (
        f"Install {listed([f'`{_ON_PYPI.get(top, top)}`' for top in others])}" if others else ""
    )
    if own:
        files = listed([f"`{module.replace('.', '/')}.py`" for module in own])
        advice += f"{', and put' if others else 'Put'} the author's {files} beside the file"
    else:
        one = "one" if len(others) > 1 else "it"
        advice += f". If {one} is the author's own code, put it beside the file"
    advice += f", or {_fill(wrapper, modules)}." if wrapper else "."
    return UnavailableError("package", reason, advice, wrapper)


def _fill(wrapper: str, missing: Sized) -> str:
    verb, them = "fill in" if "..." in wrapper else "use", "them" if len(missing) > 1 else "it"
    return f"{verb} this wrapper, which stands in for {them}, and verify its `loss`"


def _parts_missing(
    name: str, place: tuple[Path, int], parts: Mapping[str, Sequence[str]]
) -> UncallableError:
    """The error for relative imports of files that are not there."""
    wrapper = stand_in(name, importer=place[0])
    files = listed([f"`{file}`" for file in parts])
    imported = listed([f"`{one}`" for names in parts.values() for one in names])
    reason = f"{name} cannot be imported: {place[0].name}, line {place[1]}, imports "
    reason += f"{f'{imported} from ' if imported else ''}{files}, "
    reason += f"{'which do' if len(parts) > 1 else 'which does'} not exist."
    advice = f"Put {'them' if len(parts) > 1 else 'it'} there"
    advice += f", or {_fill(wrapper, parts)}." if wrapper else "."
    return UnavailableError("package", reason, advice, wrapper)


def no_such_attribute(name: str, module: Any) -> UncallableError:
    members = vars(module).items()
    own = [key for key, x in members if getattr(x, "__module__", None) == module.__name__]
    target, _, attribute = name.rpartition(":")
    advice = "Name one that it defines." if own else "Name a file or module that defines the loss."
    near = nearest(attribute, own)
    meant = f" (did you mean {near!r}?)" if near else ""
    reason = f"{name}: {target} has no {attribute!r}{meant}. It defines {defined_names(own)}."
    return UncallableError("load", reason, advice)
