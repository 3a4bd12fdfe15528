"""Outputs of a submission made harmless: text, and pictures drawn anew. No HTML, no script."""

import base64
import io

from PIL import Image, ImageOps

from quantgrader.texts import clean_text

_MAX_IMAGE_BYTES = 8_000_000
_MAX_PIXELS = 16_000_000
_MAX_PIXELS_OF_ALL = 64_000_000
_MAX_OUTPUTS = 200
# Pixels along the longer side of a picture in a text: a photograph has more than a page can show.
_MAX_SIDE = 1_600
_ONLY_PNG = "(A picture is not shown here: only those in the format PNG are.)"
_DAMAGED = "(A picture is not shown here: it can't be read, or is too large, with those before it.)"


class Room:
    """Pixels that the pictures of one notebook may still have.

    A picture of a few kilobytes may take a second to be drawn anew; so many would hold up the
    grading of everybody else.
    """

    def __init__(self, pixels=_MAX_PIXELS_OF_ALL):
        self.pixels = pixels

    def takes(self, picture):
        """Whether there is room for the picture, which has its place then."""
        size = picture.width * picture.height
        fits = size <= min(_MAX_PIXELS, self.pixels)
        self.pixels -= size * fits
        return fits


def clean_png(data, room=None):
    """A PNG picture, as base64, drawn anew from its pixels; None if it is no such picture.

    Nor is it one if there is no ``room`` for it.
    """
    return _drawn(data, room or Room(), ("PNG",))


def clean_picture(data, room):
    """A picture of any usual kind, as `clean_png` gives it, and no larger than a page needs."""
    return _drawn(data, room, ("PNG", "JPEG", "GIF", "WEBP"), _MAX_SIDE)


def _drawn(data, room, kinds, side=None):
    if isinstance(data, list):
        data = "".join(part for part in data if isinstance(part, str))
    if not isinstance(data, str) or len(data) > _MAX_IMAGE_BYTES * 4 // 3:
        return None
    new = io.BytesIO()
    # A decoder raises whatever it comes upon: of a picture that it can't read there is none.
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
        with Image.open(io.BytesIO(raw), formats=kinds) as picture:
            if not room.takes(picture):
                return None
            pixels = (ImageOps.exif_transpose(picture) if side else picture).convert("RGBA")
        if side:
            pixels.thumbnail((side, side))
        Image.frombytes("RGBA", pixels.size, pixels.tobytes()).save(new, "PNG")
    except Exception:
        return None
    return base64.b64encode(new.getvalue()).decode()


def clean_outputs(outputs, room=None):
    """Outputs of nbformat 4 with nothing in them that a page could run.

    ``room`` is what all outputs of a notebook share.
    """
    cleaned, room = [], room or Room()
    for output in outputs[:_MAX_OUTPUTS]:
        kind = output.get("output_type") if isinstance(output, dict) else None
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            cleaned.append(_stream(name, clean_text(output.get("text"))))
        elif kind == "error":
            cleaned.append(
                {
                    "output_type": "error",
                    "ename": clean_text(output.get("ename"), 200),
                    "evalue": clean_text(output.get("evalue"), 2_000),
                    "traceback": _traceback(output.get("traceback")),
                }
            )
        elif kind in ("display_data", "execute_result"):
            data = output.get("data") if isinstance(output.get("data"), dict) else {}
            kept, text = {}, clean_text(data.get("text/plain"))
            if (picture := clean_png(data.get("image/png"), room)) is not None:
                kept["image/png"] = picture
            elif any(str(kind).startswith("image/") for kind in data):
                text = f"{text}\n{_DAMAGED if 'image/png' in data else _ONLY_PNG}".lstrip()
            if text:
                kept["text/plain"] = text
            if kept:
                cleaned.append({"output_type": "display_data", "data": kept, "metadata": {}})
    if len(outputs) > _MAX_OUTPUTS:
        cleaned.append(_stream("stdout", f"… ({len(outputs) - _MAX_OUTPUTS} more outputs are cut)"))
    return cleaned


def _traceback(lines):
    lines = lines if isinstance(lines, list) else []
    return clean_text("\n".join(clean_text(line) for line in lines[:100]), 20_000).split("\n")


def _stream(name, text):
    return {"output_type": "stream", "name": name, "text": text}


def message_output(messages):
    """An output that nbgrader takes for a failed check, with the messages for the student."""
    text = "\n".join(clean_text(message, 500) for message in messages)
    return {
        "output_type": "error",
        "ename": "AssertionError",
        "evalue": text,
        "traceback": [f"AssertionError: {line}" for line in text.split("\n")],
    }
