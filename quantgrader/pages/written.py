"""What students write in Markdown, made inert: it reads as before, and no click or look acts.

The Formgrader shows such cells in the instructor's own session, as HTML that nbconvert makes of
them. A link runs a script there at one click, and a picture is asked of its host at once. So a
character without width breaks what makes tags, links and pictures. Then the text is rendered as the
Formgrader does it, and looked at: where anything live is left, it is shown word for word instead.
Pictures that were pasted in (attachments) are drawn anew and stay.
"""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

from quantgrader.pages.outputs import clean_picture

_GAP = "\N{ZERO WIDTH SPACE}"
# Tags, HTML comments; links, pictures and their definitions; bare addresses.
_LIVE = re.compile(
    r"<(?=[A-Za-z/!?])|\](?=[(\[:])|(?<=[A-Za-z]:)(?=//)|(?<=www)(?=\.)|(?<=\w)(?=@\w)"
)
# What MathJax makes links, attributes or styles of.
_COMMANDS = r"(?:href|url|style|cssId|class|require|mmlToken|includegraphics|data|html\w+)"
_MATH = re.compile(rf"\\(?={_COMMANDS}(?![A-Za-z]))")
_PICTURE = re.compile(r"!\[([^\[\]\n]*)\]\(<?attachment:([^()\s<>]+)>?(?:\s+\"[^\"\n]*\")?\)")
_PREFIX = "attachment:"
_MAX_RENDERED = 100_000
_MAX_PICTURES = 20

_TAGS = re.compile(
    "p|br|hr|em|strong|del|code|pre|blockquote|h[1-6]|[uod]l|li|dt|dd|table|thead|tbody|tr|th|td|"
    "div|span|a|img|input"
)
_HARMLESS = {"id", "class", "alt", "title", "start", "type", "disabled", "checked"}
_STYLE = re.compile(r"text-align: ?(left|right|center)")


def inert(source, attachments, room):
    """A Markdown text in which nothing is live, and the attachments that it shows.

    ``attachments`` are those of the student's cell; ``room`` is what the pictures of a notebook
    share.
    """
    kept, pieces, end = {}, [], 0
    for match in _PICTURE.finditer(source):
        pieces.append(_without_links(source[end : match.start()]))
        pieces.append(_picture(match, attachments, kept, room))
        end = match.end()
    pieces.append(_without_links(source[end:]))
    text = "".join(pieces)
    if is_inert(text, kept):
        return text, kept
    shown = "".join(f"\n\n![]({_PREFIX}{name})" for name in kept)
    return word_for_word(source) + shown, kept


def _picture(match, attachments, kept, room):
    """A pasted picture, under a name of our own; words in its place if it is none."""
    words, name = match[1], match[2]
    found = attachments.get(name, attachments.get(unquote(name)))
    drawn = None
    if isinstance(found, dict) and len(kept) < _MAX_PICTURES:
        drawn = next((d for d in map(lambda x: clean_picture(x, room), found.values()) if d), None)
    if drawn is None:
        return _without_links(f"(a picture that can't be shown: {words or name})")
    own = f"picture-{len(kept) + 1}.png"
    kept[own] = {"image/png": drawn}
    return f"![{_without_links(words)}]({_PREFIX}{own})"


def _without_links(text):
    return _MATH.sub(rf"\\{_GAP}", _LIVE.sub(rf"\g<0>{_GAP}", text))


def word_for_word(text):
    """A text as a block of code, which Markdown leaves as it is."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}\n{_without_links(text)}\n{fence}"


def is_inert(text, attachments):
    """Whether the page that nbconvert makes of a Markdown text has nothing live in it."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    if len(text) > _MAX_RENDERED:
        return False
    try:
        renderer = IPythonRenderer(escape=False, attachments=attachments)
        page = _Page(MarkdownWithMath(renderer=renderer).render(text))
    except Exception:  # a text that brings the renderer down here does so there
        return False
    return page.is_inert and not re.search(rf"\\{_COMMANDS}(?![A-Za-z])", page.text)


class _Page(HTMLParser):
    """Looks whether all tags and attributes are among the harmless ones."""

    def __init__(self, page):
        super().__init__()
        self.is_inert, self.text = True, ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        known = _TAGS.fullmatch(tag) is not None
        self.is_inert &= known and all(_is_harmless(*pair) for pair in attrs)

    def handle_data(self, data):
        self.text += data

    def _refuse(self, *_):
        self.is_inert = False

    handle_comment = handle_decl = handle_pi = unknown_decl = _refuse


def _is_harmless(name, value):
    value = value or ""
    if name == "href":
        return value.startswith("#")  # to a heading of the same page
    if name == "src":
        return value.startswith("data:image/png;base64,")
    if name == "style":
        return _STYLE.fullmatch(value.strip().rstrip(";")) is not None
    return name in _HARMLESS and "mermaid" not in value.lower()
