"""Config files from Python values."""

import json


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }" if value else "{}"
    return json.dumps(str(value), ensure_ascii=False)  # JSON's strings are TOML's too


def _rows(table, indent=""):
    return [f"{indent}{key} = {_value(value)}" for key, value in table.items()]


def toml(exports, **server):
    """The text of a config. An export is a dict: its own keys, `filters` (a list of dicts) and `plugin` (a dict)."""
    lines = ["[server]", *_rows(server)]
    for export in exports:
        own = {key: value for key, value in export.items() if key not in ("filters", "plugin")}
        lines += ["", "[[export]]", *_rows(own)]
        for layer in export.get("filters", []):
            lines += ["  [[export.filter]]", *_rows(layer, "  ")]
        lines += ["  [export.plugin]", *_rows(export["plugin"], "  ")]
    return "\n".join(lines) + "\n"


def file_export(path, name="disk", filters=(), **own):
    return {"name": name, **own, "filters": list(filters), "plugin": {"type": "file", "path": str(path)}}


def memory_export(size, name="memory", filters=(), **own):
    return {"name": name, **own, "filters": list(filters), "plugin": {"type": "memory", "size": size}}
