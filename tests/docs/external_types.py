"""Compares the crates whose types stand in the public API with the list in Cargo.toml.

    external_types.py RUSTDOC_JSON

The list is `[package.metadata.external-types]`: a crate and the reason. The check fails when a
crate appears that is not in the list, and when one of the list no longer appears.
"""

import json
import subprocess
import sys

# Parts of the language: no release of them is a breaking release of this crate.
LANGUAGE = {"alloc", "core", "std"}


def listed():
    """The crates of the list, each with its reason."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    packages = json.loads(subprocess.check_output(command))["packages"]
    return next(p["metadata"] for p in packages if p["name"] == "tower-identity")["external-types"]


def ids(value):
    """The ids of all types and traits that a part of an item names."""
    if isinstance(value, list):
        for part in value:
            yield from ids(part)
    elif isinstance(value, dict):
        # A path is the one kind of object with an id and a name or path beside it.
        if "id" in value and ("path" in value or "name" in value):
            yield value["id"]
        for part in value.values():
            yield from ids(part)


def is_written_here(item):
    """Whether the item is code of this crate, and no implementation that holds for every type."""
    implementation = item["inner"].get("impl")
    return item["crate_id"] == 0 and not (
        implementation and (implementation["blanket_impl"] or implementation["is_synthetic"])
    )


def found(documentation):
    """The crates of the public API, each with the first place that names it."""
    places = {}
    for item in documentation["index"].values():
        if not is_written_here(item):
            continue
        for id in ids(item["inner"]):
            path = documentation["paths"].get(str(id))
            if path is None or path["crate_id"] == 0 or path["path"][0] in LANGUAGE:
                continue
            # Macros name hidden items in their implementations, which no caller can use.
            if any(part.startswith("__") for part in path["path"]):
                continue
            span = item["span"] or {"filename": "?", "begin": [0]}
            place = (span["filename"], span["begin"][0], "::".join(path["path"]))
            crate = path["path"][0]
            places[crate] = min(places.get(crate, place), place)
    return places


def main():
    with open(sys.argv[1]) as file:
        places = found(json.load(file))
    reasons = listed()
    for crate in sorted(places.keys() - reasons.keys()):
        file, line, path = places[crate]
        print(f"{file}:{line}: `{path}` makes `{crate}` part of the public API")
        print("hide the type, or name the crate in [package.metadata.external-types] of Cargo.toml")
    for crate in sorted(reasons.keys() - places.keys()):
        print(f"`{crate}` is no part of the public API: take it out of Cargo.toml")
    return 0 if places.keys() == reasons.keys() else 1


sys.exit(main())
