"""The settings: one frozen tree from a TOML file and ``ENTREPOT_*`` variables, the variables winning."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from entrepot.kernel.errors import SettingsError

__all__ = [
    "KernelSettings",
    "Names",
    "Networks",
    "Section",
    "SettingLine",
    "describe_settings",
    "load_settings",
]

PREFIX = "ENTREPOT_"
IGNORED_PREFIX = "ENTREPOT_TEST_"
CONFIG_VARIABLE = "ENTREPOT_CONFIG"

Network = IPv4Network | IPv6Network
SectionT = TypeVar("SectionT", bound=BaseModel)


def _split(value: object) -> object:
    """Turn the text ``a, b`` into a list; other values stay."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _networks(value: object) -> object:
    parts = _split(value)
    if not isinstance(parts, list | tuple):
        return parts
    return [ip_network(str(part), strict=False) for part in cast("Sequence[object]", parts)]


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A comma-separated list of names."""
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
"""A comma-separated list of addresses and networks (CIDR)."""


class KernelSettings(BaseSettings):
    """The settings of the kernel; each module adds a section under its own name."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("entrepot-data"), description="folder of the catalogue, files and secret key"
    )
    host: str = Field(default="127.0.0.1", description="address that the server listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="port that the server listens on")
    database_url: str = Field(
        default="", description="postgresql://user:password@host/name; empty: SQLite in the data folder"
    )
    database_pool: int = Field(
        default=8, ge=2, le=200, description="connections to the database for each process"
    )
    store_url: str = Field(
        default="", description="file:///folder or s3://bucket/prefix; empty: <data folder>/files"
    )
    s3_endpoint: str | None = Field(default=None, description="URL of the S3 service; empty: AWS")
    s3_region: str | None = Field(default=None, description="region of the bucket")
    s3_access_key_id: str | None = Field(default=None, description="access key of the S3 account")
    s3_secret_access_key: SecretStr | None = Field(default=None, description="secret key of the S3 account")
    broker_url: str = Field(
        default="", description="amqp://… for jobs in `entrepot worker`; empty: inside the server"
    )
    broker_prefix: str = Field(
        default="entrepot",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="start of the names of queues and exchanges, for several services on one broker",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="signs what is handed out; made at first start, but with PostgreSQL required",
    )
    public_url: str = Field(
        default="", description="base URL for what leaves a request; empty: http://host:port"
    )
    trusted_proxies: Networks = Field(
        default=(), description="networks whose X-Forwarded-* and Forwarded count"
    )
    metrics_allow: Networks = Field(
        default=(), description="networks that may read /metrics without a staff token"
    )
    body_limit: int = Field(
        default=4 * 2**20,
        ge=1024,
        description="largest body in bytes of requests that aren't uploads",
    )
    log_format: Literal["console", "json"] = Field(default="console", description="shape of the log lines")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level logged"
    )
    jobs_lease: float = Field(
        default=60.0, ge=1, description="seconds until a dead process's work is taken over"
    )
    jobs_sweep: float = Field(default=30.0, ge=0.2, description="seconds between sweeps for work left behind")
    events_keep_days: int = Field(default=30, ge=1, description="days that the rows of past events are kept")

    def section(self, name: str, kind: type[SectionT]) -> SectionT:
        """Give the section ``name``, which a module declared with the model ``kind``."""
        value = getattr(self, name)
        if not isinstance(value, kind):
            raise TypeError(f"the section {name} is a {type(value).__name__}, not a {kind.__name__}")
        return value

    @property
    def catalogue_url(self) -> str:
        """The database's URL, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'catalogue.sqlite'}"

    @property
    def files_url(self) -> str:
        """The object store's URL, with the embedded default filled in."""
        return self.store_url or (self.data_dir.absolute() / "files").as_uri()

    @property
    def scaled_out(self) -> bool:
        """Whether the catalogue is shared by several machines."""
        return bool(self.database_url) and not self.database_url.startswith("sqlite")

    @property
    def base_url(self) -> str:
        """The base of URLs that leave a request, without a trailing slash."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    def signing_key(self) -> bytes:
        """Give the secret key; in embedded mode it is made once, in the data folder, with mode 0600."""
        if self.secret_key is not None and self.secret_key.get_secret_value():
            return self.secret_key.get_secret_value().encode()
        if self.scaled_out:
            raise SettingsError(
                "ENTREPOT_SECRET_KEY is not set: several servers on one PostgreSQL need the same key, "
                "so set it to a long random text (openssl rand -hex 32).",
                where="ENTREPOT_SECRET_KEY",
            )
        return _kept_key(self.data_dir / "secret-key")


def _kept_key(path: Path) -> bytes:
    """Give the key in a file, which is written whole before it has its name: nobody reads half of one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".secret-key-", dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        Path(temporary).unlink()
    key = path.read_bytes().strip()
    if not key:
        raise SettingsError(f"The secret key in {path} is empty: remove the file, and a new one is made.")
    return key


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as shown to people; the value is masked where it is secret."""

    name: str
    value: str
    default: str
    meaning: str


class _EnvironmentSource(PydanticBaseSettingsSource):
    """``ENTREPOT_NAME`` for the kernel's own, ``ENTREPOT_SECTION_NAME`` for a section's."""

    def __init__(self, kind: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(kind)
        self._environ = environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        return self._environ.get(PREFIX + field_name.upper()), field_name, False

    def __call__(self) -> dict[str, object]:
        values: dict[str, object] = {}
        for path, variable in _variables(self.settings_cls):
            text = self._environ.get(variable)
            if text is None or (text == "" and path != ("secret_key",)):
                continue
            if len(path) == 1:
                values[path[0]] = text
            else:
                section = cast("dict[str, object]", values.setdefault(path[0], {}))
                section[path[1]] = text
        return values


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _variables(kind: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in kind.model_fields.items():
        if _is_section(field):
            for inner in cast("type[BaseModel]", field.annotation).model_fields:
                yield (name, inner), f"{PREFIX}{name}_{inner}".upper()
        else:
            yield (name,), f"{PREFIX}{name}".upper()


def _refuse_unknown(kind: type[BaseModel], environ: Mapping[str, str]) -> None:
    known = {variable for _, variable in _variables(kind)} | {CONFIG_VARIABLE}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name.startswith(IGNORED_PREFIX) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`entrepot settings` lists those there are."
        raise SettingsError(f"{name} is not a setting of this version; {hint}", where=name)


def _settings_class(sections: Mapping[str, type[BaseModel]]) -> type[KernelSettings]:
    fields: dict[str, Any] = {name: (kind, Field(default_factory=kind)) for name, kind in sections.items()}
    return create_model("Settings", __base__=KernelSettings, **fields)


def load_settings(
    sections: Mapping[str, type[BaseModel]], environ: Mapping[str, str], **overrides: object
) -> KernelSettings:
    """Read the settings from ``environ`` and from the TOML file that ``ENTREPOT_CONFIG`` names.

    ``overrides`` (what the command line said) win over both. Raises SettingsError, which names the
    unknown or bad setting.
    """
    kind = _settings_class(sections)
    _refuse_unknown(kind, environ)
    config = environ.get(CONFIG_VARIABLE)
    given = {name: value for name, value in overrides.items() if value is not None}

    class Loaded(kind):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources: list[PydanticBaseSettingsSource] = [
                InitSettingsSource(settings_cls, given),
                _EnvironmentSource(settings_cls, environ),
            ]
            if config:
                sources.append(_toml_source(settings_cls, Path(config)))
            return tuple(sources)

    try:
        return Loaded()
    except ValidationError as error:
        raise _named(error) from error


def _toml_source(kind: type[BaseSettings], path: Path) -> PydanticBaseSettingsSource:
    if not path.is_file():
        raise SettingsError(
            f"ENTREPOT_CONFIG names {path}, which is not a readable file.", where=CONFIG_VARIABLE
        )
    try:
        return TomlConfigSettingsSource(kind, toml_file=path)
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", where=CONFIG_VARIABLE) from error


def _named(error: ValidationError) -> SettingsError:
    first = error.errors(include_url=False, include_context=False)[0]
    name = PREFIX + "_".join(str(part) for part in first["loc"][:2] if not isinstance(part, int)).upper()
    if first["type"] == "extra_forbidden":
        return SettingsError(
            f"{name} is not a setting of this version; `entrepot settings` lists those there are.",
            where=name,
        )
    return SettingsError(f"{name} is not right: {first['msg']}.", where=name)


def describe_settings(settings: KernelSettings) -> list[SettingLine]:
    """List the effective settings with default and meaning; secrets are masked."""
    return list(_lines(settings, PREFIX))


def _lines(settings: BaseModel, prefix: str) -> Iterator[SettingLine]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from _lines(value, f"{prefix}{name}_".upper())
            continue
        yield SettingLine(
            name=f"{prefix}{name}".upper(),
            value=_shown(value),
            default=_shown(field.get_default(call_default_factory=False)),
            meaning=field.description or "",
        )


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in cast("tuple[object, ...]", value))
    if isinstance(value, dict):
        return json.dumps(value)
    return _without_password(str(value))


PASSWORD = re.compile(r"(://[^:/?#@]*):[^?#]*@")
"""A URL's password; rather too much than too little, for people don't always encode theirs."""


def _without_password(text: str) -> str:
    return PASSWORD.sub(r"\1:********@", text)


class Section(BaseModel):
    """The base of a module's own settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
