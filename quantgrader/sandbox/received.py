"""What came out of a kernel, made harmless: plain data of bounded size and depth."""

import json
import math

_DEPTH = 64


def values_in(data):
    """About how many values the JSON in a text, or in bytes, has; it is not read for that."""
    marks = "[{,:" if isinstance(data, str) else (b"[", b"{", b",", b":")
    return sum(data.count(mark) for mark in marks)


class Share:
    """What the results of one function may still take, all together."""

    def __init__(self, limits, functions):
        self._bytes = limits.total_result_bytes // max(functions, 1)
        self._values = limits.total_values // max(functions, 1)

    def takes(self, text):
        """Whether there is room for a result, which has its place then."""
        size, values = len(text), values_in(text)
        if size > self._bytes or values > self._values:
            return False
        self._bytes -= size
        self._values -= values
        return True


def sanitized(value, depth=0):
    """A copy of parsed JSON that can be written again anywhere; raises ValueError if too deep."""
    if depth > _DEPTH:
        raise ValueError(f"nested more than {_DEPTH} deep")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [sanitized(element, depth + 1) for element in value]
    if isinstance(value, dict):
        return {
            sanitized(str(key)): sanitized(element, depth + 1) for key, element in value.items()
        }
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # Dates, which the session makes of strings that look like one, become strings again.
    return value if isinstance(value, int | float | None) else str(value)


def parse_results(text, limit, number, share=None):
    """What at most a ``number`` of probes gave, from the text that came back; one at least."""
    try:
        texts = json.loads(text) if isinstance(text, str) else []
    except (ValueError, RecursionError):
        texts = []
    texts = texts[:number] if isinstance(texts, list) else []
    return [parse_result(text, limit, share) for text in texts or [None]]


def parse_result(text, limit, share=None):
    """What a probe gave, from the text that came back; always one of the shapes of an outcome.

    ``limit`` is for this result, ``share`` for all of the same function.
    """
    if not isinstance(text, str):
        return {"refused": "no result came back"}
    if len(text) > limit:
        return {"refused": f"the result takes more than {limit} bytes", "large": True}
    if share is not None and not share.takes(text):
        return {"refused": "the function's results take too much, all together", "large": True}
    try:
        found = sanitized(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return {"refused": "the result is not the JSON that was asked for"}
    if not isinstance(found, dict):
        return {"refused": "the result is not the JSON that was asked for"}
    if "value" in found:
        changed = found.get("arguments_changed")
        return {
            "value": found["value"],
            "arguments_changed": changed if isinstance(changed, bool) else True,
            "warnings": [str(text)[:200] for text in found["warnings"][:5]]
            if isinstance(found.get("warnings"), list)
            else [],
        }
    if isinstance(found.get("error"), dict):
        error = found["error"]
        return {"error": {key: str(error.get(key, ""))[:2000] for key in ("type", "message")}}
    large = {"large": True} if found.get("large") is True else {}
    return {"refused": str(found.get("refused", "no result came back"))[:2000], **large}


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


class Outputs:
    """What one cell showed, up to a number of bytes.

    What it cleared, as for the next frame of a live plot, takes no room. Frames without end are
    ended by the limit on all that is received.
    """

    def __init__(self, limit):
        self._left, self._limit = limit, limit
        self._outputs = []
        self._clears = False  # before the next output
        self.truncated = False

    @property
    def kept_bytes(self):
        """Bytes that were kept."""
        return self._limit - self._left

    def add(self, kind, content):
        """Keep a message of the kernel if it is an output and there is room."""
        if kind == "clear_output":
            self._clears = True
            if content.get("wait") is not True:
                self._clear()
        elif kind == "stream":
            name, text = content.get("name"), content.get("text")
            if name in ("stdout", "stderr") and isinstance(text, str):
                self._add_stream(name, text)
        elif kind in ("display_data", "execute_result"):
            data, metadata = content.get("data"), content.get("metadata")
            output = {"output_type": kind, "data": data, "metadata": metadata}
            if isinstance(data, dict) and isinstance(metadata, dict):
                if kind == "execute_result":
                    count = content.get("execution_count")
                    output["execution_count"] = count if isinstance(count, int) else None
                self._add(output)
        elif kind == "error":
            lines = content.get("traceback")
            lines = [str(line) for line in lines] if isinstance(lines, list) else []
            names = {key: str(content.get(key, "")) for key in ("ename", "evalue")}
            self._add({"output_type": "error", **names, "traceback": lines})

    def _clear(self):
        if self._clears:
            self._outputs, self._left = [], self._limit
            self._clears = self.truncated = False

    def _add(self, output):
        self._clear()
        size = len(json.dumps(output))
        if size > self._left:
            self.truncated = True
        else:
            self._left -= size
            self._outputs.append(output)

    def _add_stream(self, name, text):
        self._clear()
        if len(text) > self._left:
            text, self.truncated = text[: self._left], True
        self._left -= len(text)
        if not text:
            return
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"].append(text)
        else:
            self._outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def as_list(self):
        """The outputs as a notebook holds them."""
        joined = []
        for output in self._outputs:
            if output["output_type"] == "stream":
                output = {**output, "text": "".join(output["text"])}
            joined.append(output)
        return joined
