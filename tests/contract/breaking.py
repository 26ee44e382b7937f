"""What breaks clients between two contracts. `make breaking` names it, since the last tag."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EXACT = ("pattern", "multipleOf", "uniqueItems")
SUCCESS = "4"


def breaking(old: Json, new: Json) -> Iterator[str]:
    """A sentence for each thing that a client of the old contract could trip over."""
    for at, was, now in _pairs(old, new, "paths"):
        if now is None:
            yield f"{at}: is gone"
            continue
        yield from (f"{at}: {said}" for said in _operation(old, new, was, now))
    for at, was, now in _pairs(old, new, "webhooks"):
        if now is None:
            yield f"{at}: is not told any more"
            continue
        answers = Reading(source=new, target=old, answers=True)
        bodies = (_schemas(one.get("requestBody", {})) for one in (now, was))
        yield from (f"{at}: {said}" for said in answers.each(*bodies))


def _pairs(old: Json, new: Json, part: str) -> Iterator[tuple[str, Json, Json | None]]:
    for path, item in old.get(part, {}).items():
        for method, operation in item.items():
            now = new.get(part, {}).get(path, {}).get(method)
            yield f"{method.upper()} {path}", operation, now


def _operation(old: Json, new: Json, was: Json, now: Json) -> Iterator[str]:
    if was.get("operationId") != now.get("operationId"):
        yield f"is named {now.get('operationId')}, was {was.get('operationId')}"
    yield from _access(was, now)
    yield from _parameters(old, new, was, now)
    asked, said = Reading(old, new, answers=False), Reading(new, old, answers=True)
    bodies = [one.get("requestBody", {}) for one in (was, now)]
    if bodies[1].get("required") and not bodies[0].get("required"):
        yield "a body must be sent now"
    yield from asked.each(*map(_schemas, bodies))
    for status, answer in was["responses"].items():
        if status >= SUCCESS:
            continue
        given = now["responses"].get(status)
        if given is None:
            yield f"is not answered {status} any more"
            continue
        lost = sorted(answer.get("headers", {}).keys() - given.get("headers", {}).keys())
        yield from (f"{status}: header {name} is gone" for name in lost)
        yield from (f"{status}: {one}" for one in said.each(_schemas(given), _schemas(answer)))


def _access(was: Json, now: Json) -> Iterator[str]:
    open_before = not was.get("security") or {} in was["security"]
    if open_before and now.get("security") and {} not in now["security"]:
        yield "needs a credential now"
    for scope in sorted(set(was.get("x-scopes", ())) - set(now.get("x-scopes", ()))):
        yield f"scope {scope} is not enough any more"


def _parameters(old: Json, new: Json, was: Json, now: Json) -> Iterator[str]:
    before, after = (
        {(one["in"], one["name"]): one for one in resolved}
        for resolved in (
            [_resolve(document, one) for one in operation.get("parameters", ())]
            for document, operation in ((old, was), (new, now))
        )
    )
    for (place, name), parameter in after.items():
        known = before.get((place, name), {})
        if parameter.get("required") and not known.get("required"):
            yield f"{place} parameter {name} must be given now"
    reading = Reading(old, new, answers=False)
    for (place, name), parameter in before.items():
        if (place, name) not in after:
            yield f"{place} parameter {name} is gone"
            continue
        schemas = parameter["schema"], after[place, name]["schema"]
        yield from reading.faults(*schemas, f"{place} parameter {name}")


def _resolve(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        _, *steps = schema["$ref"].split("/")
        schema = document
        for step in steps:
            schema = schema[step]
    return schema


def _schemas(body: Json) -> Json:
    return {media: one.get("schema", {}) for media, one in body.get("content", {}).items()}


@dataclass(frozen=True)
class Reading:
    """Whether all that the source writes is understood by who goes by the target.

    Of requests the old contract's client writes and the new service reads; of answers the new
    service writes and the old contract's client reads, who is used to ignoring new fields.
    """

    source: Json
    target: Json
    answers: bool

    def each(self, written: Json, read: Json) -> Iterator[str]:
        """The faults of the schemas of each media type."""
        for media in read if self.answers else written:
            if media not in written or media not in read:
                yield f"{media} is gone"
            else:
                yield from self.faults(written[media], read[media], media)

    def faults(
        self, written: Json, read: Json, at: str, seen: frozenset[tuple[int, int]] = frozenset()
    ) -> Iterator[str]:
        """Where a value of the one schema may not be one of the other."""
        choices = self._choices(self.target, read)
        for one in self._choices(self.source, written):
            tried = [list(self._plain(one, choice, at, seen)) for choice in choices]
            if all(tried):
                alike = [f for f, c in zip(tried, choices, strict=True) if _kind(c) == _kind(one)]
                yield from min(alike or tried, key=len)

    def _choices(self, document: Json, schema: Json) -> list[Json]:
        """The schemas of which a value has to fit one."""
        schema = _resolve(document, schema)
        found = schema.get("anyOf") or schema.get("oneOf")
        if not found:
            return [schema]
        return [choice for one in found for choice in self._choices(document, one)]

    def _plain(
        self, written: Json, read: Json, at: str, seen: frozenset[tuple[int, int]]
    ) -> Iterator[str]:
        both = id(written), id(read)
        if both in seen:
            return
        seen |= {both}
        if _kind(read) not in {None, _kind(written)} and (_kind(written), _kind(read)) != (
            "integer",
            "number",
        ):
            yield f"{at} is {_kind(written) or 'anything'}, not {_kind(read)}"
            return
        values, known = _values(written), _values(read)
        if known is not None and (values is None or not values <= known):
            which = ", ".join(sorted(values - known)) if values else "any value"
            yield f"{at} may be {which}" if self.answers else f"{at} may not be {which} any more"
        yield from self._bounds(written, read, at)
        yield from self._fields(written, read, at, seen)
        for part in ("items", "additionalProperties"):
            if isinstance(written.get(part), dict) and isinstance(read.get(part), dict):
                yield from self.faults(written[part], read[part], f"{at}/*", seen)

    def _bounds(self, written: Json, read: Json, at: str) -> Iterator[str]:
        if "format" in read and read["format"] != written.get("format"):
            yield f"{at} is of format {written.get('format')}, not {read['format']}"
        if self.answers:
            return
        for name in (*LOWER, *UPPER, *EXACT):
            if name in read and _stricter(name, written.get(name), read[name]):
                yield f"{at} has {name} {read[name]}, had {written.get(name)}"

    def _fields(
        self, written: Json, read: Json, at: str, seen: frozenset[tuple[int, int]]
    ) -> Iterator[str]:
        ours, theirs = written.get("properties", {}), read.get("properties", {})
        for name in sorted(set(read.get("required", ())) - set(written.get("required", ()))):
            if name in ours or not self.answers:
                yield f"{at}/{name} {'may be missing' if self.answers else 'must be given now'}"
        gone = theirs.keys() - ours.keys() if self.answers else ours.keys() - theirs.keys()
        for name in sorted(gone):
            if self.answers or read.get("additionalProperties") is False:
                yield f"{at}/{name} is gone"
        for name in sorted(ours.keys() & theirs.keys()):
            yield from self.faults(ours[name], theirs[name], f"{at}/{name}", seen)


def _kind(schema: Json) -> str | None:
    kind: str | None = schema.get("type")
    return kind


def _values(schema: Json) -> set[str] | None:
    found = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if found is None else {json.dumps(value) for value in found}


def _stricter(name: str, before: Any, now: Any) -> bool:
    if before is None or name in EXACT:
        return bool(now != before)
    return bool(now > before if name in LOWER else now < before)


def main() -> None:
    """Name what breaks since a commit: the one given or the last tag, if there is one."""
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], capture_output=True, text=True, check=False
    )
    since = next(filter(None, [*sys.argv[1:], tag.stdout.strip()]), None)
    if since is None:
        print("no tag yet: there is no contract to compare with")  # noqa: T201 -- what it is for
        return
    shown = subprocess.check_output(["git", "show", f"{since}:openapi/openapi.json"])
    with open("openapi/openapi.json", encoding="utf-8") as written:  # noqa: PTH123 -- one line
        found = list(breaking(json.loads(shown), json.load(written)))
    print(*found, f"{len(found)} breaking changes since {since}", sep="\n")  # noqa: T201 -- what it is for
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
