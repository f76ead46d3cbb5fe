"""Adapts matplotlib's SVG: for a file, with light and dark colours; for a page, with CSS variables.

All names in it are escaped already. So if a pattern here matches inside a text, only the look of
the text changes.
"""

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from supcr_bench.render.palette import DARK, VARIABLES

HEAD = "head"
"""Prefix of the ids of elements for files only: the background and the titles."""
_HIDDEN = ("text", "legend", "matplotlib.axis")
"""Prefixes of ids that screen readers skip: points and description repeat their content."""


def plain(text: str) -> str:
    """The text with a replacement for each character that XML does not allow."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


@contextmanager
def no_glyph_warnings() -> Iterator[None]:
    """Silence warnings on characters that matplotlib's font lacks but a page's font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def written_svg(figure: Figure) -> str:
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    fixed = mpl.rc_context({"svg.hashsalt": "supcr-bench", "svg.fonttype": "none"})
    with fixed, no_glyph_warnings():
        figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()


def for_file(drawn: str) -> str:
    """The SVG with dark colours for readers who prefer them; other viewers show light ones."""
    rules = " ".join(
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    dark = f"\n@media (prefers-color-scheme: dark) {{ {rules} }}\n</style>"
    return drawn.replace("</style>", dark, 1)


def for_page(drawn: str, name: str, title: str, view: str, tags: Mapping[str, str]) -> str:
    """The SVG for a page: small, without titles, in the page's colours and font.

    ``name`` begins every id, so that many charts can stand on one page; ``title`` is the accessible
    name. ``view`` is left, top, width and height of the part to show. ``tags`` gives, by the id of
    a group, the opening tag to put in its place.
    """
    body = drawn[drawn.index('<g id="figure') : drawn.rindex("</svg>")]
    body = re.sub(rf'<g id="{HEAD}-\d+">.*?</g>', "", body, flags=re.DOTALL)
    body = re.sub(r">\s+<", "><", body)
    # Each use of a marker sets its own colours.
    body = re.sub(r'(<path id="[^"]*" d="[^"]*") style="[^"]*"', r"\1", body)
    body = re.sub(r' style="([^"]*)"', lambda found: f' style="{_style(found[1])}"', body)
    body = re.sub(r' (?:d|x|y|transform)="[^"]*"', _shortened, body)
    body = re.sub(r'(<(?:path|clipPath) id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    body = body.replace("xlink:href", "href")

    def group(found: re.Match[str]) -> str:
        hidden = ' aria-hidden="true"' if found[1].startswith(_HIDDEN) else ""
        return tags.get(found[1], f"<g{hidden}>")

    body = re.sub(r'<g id="([^"]*)">', group, body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{view}" role="group" '
        f'aria-label="{escape(title)}" stroke-linejoin="round">{body}</svg>'
    )


def _shortened(found: re.Match[str]) -> str:
    """Coordinates with one decimal: a tenth of a point is less than a pixel."""
    short = re.sub(r"\d+\.\d+", lambda n: f"{float(n[0]):.1f}".removesuffix(".0"), found[0])
    return re.sub(r"\s*\n\s*", "", short)


def _style(declarations: str) -> str:
    inherited = r"(font-family|stroke-linejoin|stroke-linecap|stroke-miterlimit): [^;]+;? ?"
    style = re.sub(inherited, "", declarations)
    style = re.sub(r"#[0-9a-f]{6}", lambda c: VARIABLES.get(c[0], c[0]), style)
    return style.replace(": ", ":").replace("; ", ";")
