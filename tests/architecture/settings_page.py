"""Writes docs/operate/settings.md from the settings' own descriptions: ``make docs``."""

from collections.abc import Iterator
from pathlib import Path

from entrepot.app import load, modules
from entrepot.kernel.settings import SettingLine, describe_settings

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "settings.md"

HEAD = """\
# Settings

Every setting is an environment variable, or a line in the TOML file that `ENTREPOT_CONFIG` names; a variable
wins over the file. In the file a name is written small and without `ENTREPOT_`, and the settings of a module
stand in a table of its own:

```toml
data_dir = "/srv/entrepot"
port = 8080

[archive]
days_until_public = 180
```

Lists are written with commas between their parts (in the file, also as TOML arrays); networks as `10.0.0.0/8`
or as single addresses. A name that isn't a setting, or a value that isn't right, stops the program with a
sentence that names it; only `ENTREPOT_TEST_…` is left to the tests. `entrepot settings` prints what is in
force, with secrets masked.

This page is written from the program (`make docs`), and a test keeps the two together.
"""


def settings_page() -> str:
    """Write the page."""
    lines = describe_settings(load({}))
    names = {module.name: f"ENTREPOT_{module.name.upper()}_" for module in modules()}
    parts = [HEAD]
    own = [line for line in lines if not line.name.startswith(tuple(names.values()))]
    parts.append(_part("The service", own))
    for name, prefix in names.items():
        parts.append(_part(f"The {name}", [line for line in lines if line.name.startswith(prefix)]))
    return "\n".join(parts)


def _part(title: str, lines: list[SettingLine]) -> str:
    return "\n".join(
        [f"## {title}", "", "| setting | default | meaning |", "|---|---|---|", *_rows(lines), ""]
    )


def _rows(lines: list[SettingLine]) -> Iterator[str]:
    for line in lines:
        default = f"`{line.default}`" if line.default else "–"
        meaning = line.meaning.replace("<", "&lt;")
        yield f"| `{line.name}` | {default.replace(',', ', ')} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
