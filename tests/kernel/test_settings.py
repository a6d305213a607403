"""The settings: from variables and a file, every fault named, every secret masked, the key made once."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from entrepot.app import load
from entrepot.kernel.errors import SettingsError
from entrepot.kernel.settings import KernelSettings, describe_settings
from entrepot.modules.archive.settings import ArchiveSettings

NAMES_THAT_STAY = (
    "ENTREPOT_DATA_DIR", "ENTREPOT_HOST", "ENTREPOT_PORT", "ENTREPOT_DATABASE_URL", "ENTREPOT_STORE_URL",
    "ENTREPOT_S3_ENDPOINT", "ENTREPOT_S3_REGION", "ENTREPOT_S3_ACCESS_KEY_ID",
    "ENTREPOT_S3_SECRET_ACCESS_KEY", "ENTREPOT_BROKER_URL", "ENTREPOT_SECRET_KEY", "ENTREPOT_PUBLIC_URL",
    "ENTREPOT_TRUSTED_PROXIES",
)  # fmt: skip


def archive_of(settings: KernelSettings) -> ArchiveSettings:
    return settings.section("archive", ArchiveSettings)


def refusal(environ: dict[str, str], **overrides: object) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        load(environ, **overrides)
    assert "\n" not in refused.value.detail
    assert refused.value.detail.endswith((".", "?"))
    return refused.value


def test_the_defaults_are_the_embedded_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data_dir == Path("entrepot-data")
    assert settings.catalogue_url == f"sqlite:///{tmp_path}/entrepot-data/catalogue.sqlite"
    assert settings.files_url == f"file://{tmp_path}/entrepot-data/files"
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.broker_url == ""
    assert settings.scaled_out is False
    assert settings.trusted_proxies == ()
    assert archive_of(settings).page_default == 100
    assert archive_of(settings).page_max == 1000
    assert archive_of(settings).redirect_downloads is False
    assert not list(tmp_path.iterdir())  # reading the settings makes nothing


def test_every_name_that_stays_is_there_with_its_meaning() -> None:
    lines = describe_settings(load({}))
    by_name = {line.name: line for line in lines}
    assert len(by_name) == len(lines)
    assert set(NAMES_THAT_STAY) <= set(by_name)
    for line in lines:
        assert line.name.startswith("ENTREPOT_")
        assert 10 < len(line.meaning) < 120, line.name
        assert "\n" not in line.meaning


GIVEN: list[tuple[str, str, str, Any]] = [
    ("ENTREPOT_PORT", "9000", "port", 9000),
    ("ENTREPOT_HOST", "0.0.0.0", "host", "0.0.0.0"),
    ("ENTREPOT_DATA_DIR", "/a/b c", "data_dir", Path("/a/b c")),
    ("ENTREPOT_JOBS_SWEEP", "1.5", "jobs_sweep", 1.5),
    ("ENTREPOT_LOG_FORMAT", "json", "log_format", "json"),
    ("ENTREPOT_S3_REGION", "eu-west-1", "s3_region", "eu-west-1"),
    ("ENTREPOT_S3_SECRET_ACCESS_KEY", "s3cret", "s3_secret_access_key", SecretStr("s3cret")),
    (
        "ENTREPOT_TRUSTED_PROXIES", "10.0.0.0/8, ::1,192.0.2.7 ,", "trusted_proxies",
        (ip_network("10.0.0.0/8"), ip_network("::1"), ip_network("192.0.2.7")),
    ),
    ("ENTREPOT_TRUSTED_PROXIES", "10.1.2.3/8", "trusted_proxies", (ip_network("10.0.0.0/8"),)),
    ("ENTREPOT_PUBLIC_URL", "https://a.example/x/", "base_url", "https://a.example/x"),
    ("ENTREPOT_DATABASE_URL", "postgresql://h/n", "scaled_out", True),
    ("ENTREPOT_DATABASE_URL", "sqlite:////x.sqlite", "scaled_out", False),
    ("ENTREPOT_STORE_URL", "s3://bucket/prefix", "files_url", "s3://bucket/prefix"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "attribute", "expected"), GIVEN)
def test_a_variable_sets_a_setting(name: str, text: str, attribute: str, expected: object) -> None:
    assert getattr(load({name: text}), attribute) == expected


ARCHIVE: list[tuple[str, str, str, object]] = [
    ("PAGE_MAX", "50", "page_max", 50),
    ("REDIRECT_DOWNLOADS", "true", "redirect_downloads", True),
    ("REDIRECT_DOWNLOADS", "0", "redirect_downloads", False),
    ("CONFIGURATION_TYPES", "EXPOSE, BIAS", "configuration_types", ("EXPOSE", "BIAS")),
    ("THUMBNAIL_SIZES", "tiny", "thumbnail_sizes", ("tiny",)),
]


@pytest.mark.parametrize(("name", "text", "attribute", "expected"), ARCHIVE)
def test_a_variable_sets_a_setting_of_a_module(
    name: str, text: str, attribute: str, expected: object
) -> None:
    assert getattr(archive_of(load({f"ENTREPOT_ARCHIVE_{name}": text})), attribute) == expected


def test_an_empty_variable_is_none() -> None:
    names = [line.name for line in describe_settings(load({}))]
    assert load(dict.fromkeys(names, "")).model_dump(exclude={"secret_key"}) == load({}).model_dump(
        exclude={"secret_key"}
    )


def config(folder: Path, text: str | bytes) -> dict[str, str]:
    file = folder / "entrepot.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"ENTREPOT_CONFIG": str(file)}


def test_a_file_sets_settings_variables_win_and_the_command_line_wins_over_both(tmp_path: Path) -> None:
    environ = config(
        tmp_path,
        """
        port = 9001
        host = "file.example"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        data_dir = "from-file"
        [archive]
        page_max = 7
        page_default = 5
        science_types = ["EXPOSE"]
        """,
    )
    settings = load(
        environ | {"ENTREPOT_HOST": "variable.example", "ENTREPOT_ARCHIVE_PAGE_MAX": "8"},
        data_dir="said",
        port=None,
    )
    assert (settings.port, settings.host) == (9001, "variable.example")
    assert settings.data_dir == Path("said")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    archive = archive_of(settings)
    assert (archive.page_max, archive.page_default, archive.science_types) == (8, 5, ("EXPOSE",))
    assert load(environ, port=1234).port == 1234


UNKNOWN = [
    ("ENTREPOT_PROT", "ENTREPOT_PORT"),
    ("ENTREPOT_DATABSE_URL", "ENTREPOT_DATABASE_URL"),
    ("ENTREPOT_ARCHIVE_PAGEMAX", "ENTREPOT_ARCHIVE_PAGE_MAX"),
    ("ENTREPOT_CONFIG_FILE", "ENTREPOT_CONFIG"),
    ("ENTREPOT_", None),
    ("ENTREPOT_XYZZY_PLUGH_FOO", None),
]


@pytest.mark.parametrize(("name", "meant"), UNKNOWN)
def test_an_unknown_variable_is_named_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    error = refusal({name: "secret value"})
    assert error.where == name
    assert name in error.detail
    assert "secret value" not in error.detail
    if meant is not None:
        assert f"did you mean {meant}?" in error.detail


def test_variables_of_others_and_of_tests_are_none_of_ours() -> None:
    environ = {
        "PATH": "/bin",
        "PORT": "1",
        "entrepot_port": "2",
        "ENTREPOT_TEST_ANYTHING": "3",
        "XENTREPOT_PORT": "4",
    }
    assert load(environ).port == 8000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "ENTREPOT_PROT"), ("[archive]\npagemax = 1", "ENTREPOT_ARCHIVE_PAGEMAX"),
        ("[nonsense]\nx = 1", "ENTREPOT_NONSENSE"), ("archive = 3", "ENTREPOT_ARCHIVE"),
        ("port = 'x'", "ENTREPOT_PORT"), ("port = [1]", "ENTREPOT_PORT"), ("[port]\nx = 1", "ENTREPOT_PORT"),
        ("[archive]\npage_max = 'many'", "ENTREPOT_ARCHIVE_PAGE_MAX"),
        ("trusted_proxies = [5, 'x']", "ENTREPOT_TRUSTED_PROXIES"),
        ("trusted_proxies = 5", "ENTREPOT_TRUSTED_PROXIES"),
        ("[archive.page_max]\nx = 1", "ENTREPOT_ARCHIVE_PAGE_MAX"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    error = refusal(config(tmp_path, text))
    assert error.where == named
    assert named in error.detail


@pytest.mark.parametrize(
    "text", [b"port = ", b"= 1", b"\xff\xfe", b"port = 1\nport = 2", b"[", b"port: 8000\n"]
)
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, text: bytes) -> None:
    error = refusal(config(tmp_path, text))
    assert error.where == "ENTREPOT_CONFIG"
    assert "entrepot.toml" in error.detail


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        error = refusal({"ENTREPOT_CONFIG": str(path)})
        assert error.where == "ENTREPOT_CONFIG"
        assert str(path) in error.detail


BAD = [
    ("ENTREPOT_PORT", "0"), ("ENTREPOT_PORT", "65536"), ("ENTREPOT_PORT", "http"), ("ENTREPOT_PORT", "1.5"),
    ("ENTREPOT_DATABASE_POOL", "0"), ("ENTREPOT_BODY_LIMIT", "1"), ("ENTREPOT_LOG_LEVEL", "loud"),
    ("ENTREPOT_LOG_FORMAT", "xml"), ("ENTREPOT_TRUSTED_PROXIES", "everyone"),
    ("ENTREPOT_TRUSTED_PROXIES", "10.0.0.0/99"), ("ENTREPOT_METRICS_ALLOW", "a,b"),
    ("ENTREPOT_JOBS_SWEEP", "0"), ("ENTREPOT_JOBS_LEASE", "soon"), ("ENTREPOT_EVENTS_KEEP_DAYS", "-1"),
    ("ENTREPOT_ARCHIVE_PAGE_MAX", "0"),
    ("ENTREPOT_ARCHIVE_PAGE_DEFAULT", "x"), ("ENTREPOT_ARCHIVE_REDIRECT_DOWNLOADS", "perhaps"),
    ("ENTREPOT_ARCHIVE_SIGNED_URL_SECONDS", "604801"), ("ENTREPOT_ARCHIVE_COUNT_EXACT_TO", "-1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_named(name: str, text: str) -> None:
    error = refusal({name: text})
    assert error.where == name
    assert error.detail.startswith(f"{name} is not right: ")


def test_a_bad_value_from_the_command_line_is_named() -> None:
    assert refusal({}, port=70000).where == "ENTREPOT_PORT"


def test_settings_do_not_change() -> None:
    settings = load({})
    for target, name in ((settings, "port"), (archive_of(settings), "page_max")):
        with pytest.raises(ValidationError):
            setattr(target, name, 1)
    with pytest.raises(TypeError, match="archive"):
        settings.section("archive", KernelSettings)


SECRETS = {
    "ENTREPOT_SECRET_KEY": "hush-key",
    "ENTREPOT_S3_SECRET_ACCESS_KEY": "hush-s3",
    "ENTREPOT_DATABASE_URL": "postgresql://user:hush-db@db.example:5432/name?sslmode=require",
    "ENTREPOT_BROKER_URL": "amqp://user:hush-broker@mq.example/vhost",
}


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = load(SECRETS)
    lines = {line.name: line for line in describe_settings(settings)}
    assert "hush" not in str([line.value for line in lines.values()])
    assert lines["ENTREPOT_SECRET_KEY"].value == "********"
    assert (
        lines["ENTREPOT_DATABASE_URL"].value
        == "postgresql://user:********@db.example:5432/name?sslmode=require"
    )
    assert lines["ENTREPOT_BROKER_URL"].value == "amqp://user:********@mq.example/vhost"
    for odd in ("pw/pw", "pw@pw", "pw:pw@/pw", "pw%40", "://pw"):
        url = f"postgresql://user:{odd}@host/name?x=a@b"
        shown = {line.name: line.value for line in describe_settings(load({"ENTREPOT_DATABASE_URL": url}))}
        assert shown["ENTREPOT_DATABASE_URL"] == "postgresql://user:********@host/name?x=a@b"
    for secret in ("hush-key", "hush-s3"):
        assert secret not in repr(settings)
        assert secret not in str(settings)


@pytest.mark.parametrize(
    "url", ["http://[broken", "amqp://user:p@ss:w/rd@host/x", "://", "postgresql://:pw@/n", "a:b@c"]
)
def test_odd_urls_are_shown_without_a_failure(url: str) -> None:
    for name in ("ENTREPOT_PUBLIC_URL", "ENTREPOT_BROKER_URL", "ENTREPOT_STORE_URL"):
        lines = {line.name: line.value for line in describe_settings(load({name: url}))}
        assert lines[name]
        assert ":pw@" not in lines[name]


def test_what_is_shown_tells_value_and_default() -> None:
    shown = {line.name: line for line in describe_settings(load({"ENTREPOT_PORT": "9000"}))}
    assert (shown["ENTREPOT_PORT"].value, shown["ENTREPOT_PORT"].default) == ("9000", "8000")
    assert shown["ENTREPOT_ARCHIVE_SCIENCE_TYPES"].value == "EXPOSE,TARGET,SPECTRUM,CATALOG,OBJECT"


def test_the_secret_key_is_made_once_for_the_owners_eyes_only(tmp_path: Path) -> None:
    environ = {"ENTREPOT_DATA_DIR": str(tmp_path / "new" / "data")}
    mask = os.umask(0)
    try:
        key = load(environ).signing_key()
    finally:
        os.umask(mask)
    (file,) = (tmp_path / "new" / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(key) == 64
    assert load(environ).signing_key() == key
    assert load(environ | {"ENTREPOT_SECRET_KEY": ""}).signing_key() == key
    assert load({"ENTREPOT_DATA_DIR": str(tmp_path / "other")}).signing_key() != key


def test_processes_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    settings = load({"ENTREPOT_DATA_DIR": str(tmp_path)})
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: settings.signing_key(), range(64)))
    assert len(keys) == 1
    assert len(keys.pop()) == 64


def test_a_key_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("\n")
    with pytest.raises(SettingsError, match="secret-key is empty"):
        load({"ENTREPOT_DATA_DIR": str(tmp_path)}).signing_key()


def test_a_given_key_is_taken_and_with_postgresql_required(tmp_path: Path) -> None:
    environ = {"ENTREPOT_DATA_DIR": str(tmp_path)}
    assert load(environ | {"ENTREPOT_SECRET_KEY": "my own"}).signing_key() == b"my own"
    scaled = environ | {"ENTREPOT_DATABASE_URL": "postgresql://h/n"}
    for empty in ({}, {"ENTREPOT_SECRET_KEY": ""}):
        with pytest.raises(SettingsError, match="ENTREPOT_SECRET_KEY is not set") as refused:
            load(scaled | empty).signing_key()
        assert refused.value.where == "ENTREPOT_SECRET_KEY"
    assert load(scaled | {"ENTREPOT_SECRET_KEY": "shared"}).signing_key() == b"shared"
    assert not list(tmp_path.iterdir())
