# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of the fields of an app: their names, types, defaults, ranges and what they are for.

The checks take names, defaults and ranges from it. The argument specification of the role wsgi_apps, docs/fields.md and
the table in README.md are written from it by tests/unit/test_field_docs.py. Backquotes mark code in its texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..apache.daemon_options import OPTIONS, Option


@dataclass(frozen=True)
class Field:
    """One field, with the fields inside it."""

    name: str
    # As Ansible calls the types of options.
    type: str
    # The first sentence is what the short table says.
    meaning: str
    more: tuple[str, ...] = ()
    elements: str = ""
    required: bool = False
    default: Any = None
    # What holds where the field is left out, if that is no value that one could write.
    otherwise: str = ""
    choices: tuple[str, ...] = ()
    minimum: int = 0
    # 0 where there is no range.
    maximum: int = 0
    secret: bool = False
    # The page in docs/ that says more.
    page: str = ""
    # What holds between the fields inside, as Ansible writes it.
    rules: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the fields inside."""
        return tuple(inner.name for inner in self.fields)

    def __getitem__(self, name: str) -> Field:
        return next(inner for inner in self.fields if inner.name == name)

    def walk(self, *above: str) -> Iterator[tuple[tuple[str, ...], Field]]:
        """Yield every field inside, at any depth, with its path."""
        for inner in self.fields:
            path = (*above, inner.name)
            yield path, inner
            yield from inner.walk(*path)


_C_INT_MAX = 2**31 - 1

_TYPES = {"integer": "int", "float": "float", "path": "path", "switch": "bool", "accounts": "list"}

DEFAULT_DAEMON_OPTIONS: dict[str, Any] = {
    "umask": "0027",
    # Debian starts Apache with LANG=C, where file names of an application are ASCII only.
    "lang": "C.UTF-8",
    "locale": "C.UTF-8",
    "startup-timeout": 15,
    "connect-timeout": 15,
    "queue-timeout": 45,
    "socket-timeout": 60,
    "request-timeout": 60,
    "deadlock-timeout": 60,
    "graceful-timeout": 15,
    # A process that is asked to end takes new requests for this long, or until it is idle, which under load it never
    # is: measured with 18 clients, 35 s for a rolling restart without it, 9 s with it. The running ones then have 15 s.
    "eviction-timeout": 1,
    "shutdown-timeout": 15,
}


def _daemon_option(option: Option) -> Field:
    dotted = [".".join(str(part) for part in version) for version in (option.since, option.until or ())]
    since = f"Needs mod_wsgi {dotted[0]} or newer." if option.since > (4, 7, 1) else ""
    until = f"Removed in mod_wsgi {dotted[1]}." if option.until else ""
    unit = f", in {option.unit}" if option.unit in ("seconds", "milliseconds", "bytes") else ""
    return Field(
        option.name,
        _TYPES.get(option.kind, "str"),
        f"{option.meaning}{unit}.",
        more=tuple(text for text in (since, until) if text),
        default=DEFAULT_DAEMON_OPTIONS.get(option.name),
        choices=(option.only,) if option.only else (),
    )


# Of an app that is to be removed, only the name is needed.
REQUIRED = ("application", "server_names", "source")
_NEEDED = ("Required unless `state` is `absent`.",)

# The kinds of sources.
SOURCES = ("path", "archive", "git", "package")

_SOURCE = Field(
    "source",
    "dict",
    "Where the code comes from: exactly one of `path`, `archive`, `git` and `package`.",
    more=_NEEDED,
    otherwise="required",
    page="sources.md",
    rules={"mutually_exclusive": [list(SOURCES)], "required_one_of": [list(SOURCES)]},
    fields=(
        Field("path", "path", "Directory on the controller; a relative path starts at `wsgi_apps_base_directory`."),
        Field(
            "archive",
            "str",
            "Tar or zip archive: a file on the controller, or an `https://` address that the host can reach.",
        ),
        Field(
            "checksum",
            "str",
            "`sha256:` and the checksum of the archive.",
            more=("Required for an address.",),
        ),
        Field("directory", "str", "Directory inside the archive that holds the code."),
        Field(
            "git",
            "dict",
            "Repository that the host fetches, as the account `wsgi_apps_deploy_account`.",
            fields=(
                Field(
                    "repo",
                    "str",
                    "Address of the repository: `https://`, `ssh://`, `user@host:path`, or a path on the host.",
                    more=("An address with a password or token in it is refused.",),
                    required=True,
                ),
                Field(
                    "version",
                    "str",
                    "Commit of 40 digits, tag or branch.",
                    more=("Tags and branches are looked up in every play.",),
                    required=True,
                ),
                Field("directory", "str", "Directory inside the repository that holds the code."),
                Field(
                    "key",
                    "str",
                    "Private key for a repository over SSH, as text.",
                    more=("It is loaded into an SSH agent and never written to a file on the host.",),
                    secret=True,
                ),
                Field(
                    "known_hosts",
                    "str",
                    "Lines of a `known_hosts` file that hold the server's host keys.",
                    otherwise="the host's `/etc/ssh/ssh_known_hosts`",
                ),
            ),
        ),
        Field(
            "package",
            "list",
            "Pinned requirements such as `shop==1.2`, installed from the host's package index.",
            more=("A single one may be written without a list.", "Either all have hashes or none."),
            elements="str",
        ),
    ),
)

_TLS = Field(
    "tls",
    "dict",
    "Serve over HTTPS: `certificate` with `key`, or `acme`, or `self_signed`.",
    more=("Port 80 then redirects to HTTPS.", "Apps of one virtual host need the same `tls`."),
    otherwise="HTTP only",
    page="tls.md",
    fields=(
        Field("certificate", "path", "Certificate chain on the host, in PEM format."),
        Field("key", "path", "Private key of the certificate, on the host; only root may be able to read it."),
        Field(
            "acme",
            "bool",
            "Get and renew the certificate from Let's Encrypt, or from `wsgi_server_acme_directory`.",
            default=False,
        ),
        Field("self_signed", "bool", "Make a self-signed certificate on the host.", default=False),
        Field(
            "hsts",
            "int",
            "Seconds for which browsers insist on HTTPS (HSTS); 0 for none.",
            more=("The default is two years.",),
            # As Mozilla's guidelines have it.
            default=63072000,
            maximum=_C_INT_MAX,
        ),
    ),
)

_FIRST_HOST = "Apache applies the value of the first virtual host, so only `wsgi_server_limit_{}` has an effect."

_LIMITS = Field(
    "limits",
    "dict",
    "Limits on a request.",
    otherwise="the server's limits",
    page="server.md#limits",
    fields=(
        Field("request_body", "int", "Bytes of a request body.", minimum=1, maximum=_C_INT_MAX),
        Field(
            "request_fields",
            "int",
            "Header fields of a request.",
            more=(_FIRST_HOST.format("request_fields"),),
            minimum=10,
            maximum=32767,
        ),
        Field(
            "request_field_size",
            "int",
            "Bytes of one header field.",
            more=(_FIRST_HOST.format("request_field_size"),),
            minimum=256,
            maximum=65536,
        ),
        Field(
            "request_line",
            "int",
            "Bytes of the request line.",
            more=(_FIRST_HOST.format("request_line"),),
            minimum=256,
            maximum=65536,
        ),
        Field(
            "uploads",
            "int",
            "Requests with a body that the app takes at a time.",
            otherwise="nine tenths of the pool's threads",
            minimum=1,
            maximum=65533,
            page="floods.md",
        ),
    ),
)

_HEALTH_CHECK = Field(
    "health_check",
    "dict",
    "The request that the app has to answer at the end of a play.",
    default={},
    page="releases.md#the-health-check",
    fields=(
        Field("path", "str", "URL path of the request.", otherwise="the app's `mount`"),
        Field(
            "status",
            "list",
            "HTTP statuses that count as healthy.",
            elements="int",
            otherwise="200 to 399, and 401",
            minimum=100,
            maximum=599,
        ),
        Field("timeout", "int", "Seconds to wait for the answer.", default=30, minimum=1, maximum=600),
    ),
)

_ACLS = Field(
    "acls",
    "list",
    "POSIX ACL entries for the app's account on existing files or directories outside the app, where no group fits.",
    more=("For example `{path: /srv/media, permissions: rx}`.",),
    elements="dict",
    default=[],
    fields=(
        Field("path", "path", "File or directory on the host.", required=True),
        Field("permissions", "str", "Permissions, such as `rx`.", required=True),
    ),
)

# What a worker or timer needs beyond its sandbox, and the settings of systemd that it does without then.
ALLOWED = {
    "jit": ("MemoryDenyWriteExecute",),
    "devices": ("PrivateDevices",),
    "namespaces": ("RestrictNamespaces",),
}


def _service(kind: str, meaning: str, page: str, *own: Field) -> Field:
    """Return the field of all workers or of all timers: a mapping from their names."""
    common = (
        Field(
            "environment",
            "dict",
            "Further environment variables, on top of the app's.",
            more=("They are kept in a file of their own, as the app's are.",),
            default={},
            secret=True,
        ),
        Field(
            "memory_max",
            "str",
            "Memory that its processes may use together, such as `512M`; beyond that they are killed.",
            otherwise="no limit",
        ),
        Field(
            "allow",
            "list",
            "What it needs beyond its sandbox: `jit` (code made at run time, as by numba), `devices` (such as a GPU), "
            "`namespaces` (such as the sandbox of a browser).",
            elements="str",
            default=[],
            choices=tuple(ALLOWED),
        ),
    )
    command = Field(
        "command",
        "raw",
        f"The command of the {kind}, as a string or a list of words; no shell runs it.",
        required=True,
    )
    named = Field("<name>", "dict", f"Name of the {kind}: `[a-z][a-z0-9-]*`.", fields=(command, *own, *common))
    return Field(f"{kind}s", "dict", meaning, default={}, page=page, fields=(named,))


_WORKERS = _service(
    "worker",
    "Services beside the pool, such as queue workers, by their names.",
    "workers.md",
    Field(
        "processes",
        "int",
        "Number of processes.",
        more=("`%i` as a word or part of a word of the command is the number of the process, from 1.",),
        default=1,
        minimum=1,
        maximum=64,
    ),
    Field(
        "stop_timeout",
        "int",
        "Seconds that a process may take to end its job after SIGTERM.",
        default=60,
        minimum=1,
        maximum=86400,
    ),
    Field(
        "ready_after",
        "int",
        "Seconds that a new process must have run to count as started.",
        more=("If it ends before, the release is taken back.",),
        default=5,
        minimum=1,
        maximum=600,
    ),
    Field(
        "notify",
        "bool",
        "The command tells systemd itself when it is ready (`sd_notify`).",
        default=False,
    ),
)

_TIMERS = _service(
    "timer",
    "Commands that run at certain times, by their names.",
    "workers.md#timers",
    Field(
        "schedule",
        "str",
        "When it runs, as `OnCalendar` of systemd.timer(5): `daily`, `*:0/15`, `Mon 03:30`.",
        required=True,
    ),
    Field(
        "random_delay",
        "int",
        "Seconds up to which each start is delayed at random.",
        default=0,
        maximum=86400,
    ),
    Field(
        "timeout",
        "int",
        "Seconds after which the command is stopped.",
        default=3600,
        minimum=1,
        maximum=604800,
    ),
    Field(
        "once",
        "bool",
        "Of the hosts of a play, only the first gets the timer.",
        default=False,
    ),
    Field(
        "on_failure",
        "str",
        "Unit of systemd to start when the command fails, such as `tell-admin@%n.service`.",
        otherwise="none",
    ),
)

APP = Field(
    "wsgi_apps",
    "list",
    "The apps of the host.",
    elements="dict",
    required=True,
    rules={"required_if": [["state", "present", list(REQUIRED)]]},
    fields=(
        Field(
            "name",
            "str",
            "Name of the app: `[a-z][a-z0-9-]*`, at most 27 characters.",
            more=("It names the daemon process group, the directories and the site file.",),
            required=True,
        ),
        Field(
            "application",
            "str",
            "The WSGI callable, as `package.module:callable`.",
            more=_NEEDED,
            otherwise="required",
        ),
        Field(
            "server_names",
            "list",
            "Host names: the first becomes ServerName, the others ServerAlias.",
            more=(
                "Apps with the same first name share a virtual host.",
                "Aliases may start with `*.`.",
                *_NEEDED,
            ),
            elements="str",
            otherwise="required",
        ),
        Field(
            "mount",
            "str",
            "URL path of the app.",
            more=("Apps of one virtual host need different ones.",),
            default="/",
        ),
        _SOURCE,
        Field(
            "requirements",
            "str",
            "Requirements file inside the source; its packages are installed from wheels only.",
            more=("Either all requirements have hashes or none.", "Not allowed beside a `package`."),
            otherwise="none",
            page="sources.md#requirements",
        ),
        Field(
            "allow_source_builds",
            "bool",
            "Build packages that have no wheel on the host, in a sandbox and without privileges.",
            default=False,
            page="sources.md#requirements",
        ),
        Field(
            "build",
            "list",
            "Commands that complete a new release before it is tried, such as "
            "`python manage.py collectstatic --noinput`.",
            more=(
                "They run in the release's code, in a sandbox, as the account `wsgi_apps_deploy_account`.",
                "What they write there is part of the release, and `static` may name it.",
                "If one fails, the old release keeps serving.",
                "They are written as those of `before_switch`: no shell runs them.",
            ),
            elements="raw",
            default=[],
            page="releases.md#build-steps",
        ),
        Field(
            "build_network",
            "bool",
            "Let the commands of `build` use the network, for instance for `npm ci`.",
            default=False,
            page="releases.md#build-steps",
        ),
        Field(
            "before_switch",
            "list",
            "Commands to run before a new release serves, such as `python manage.py migrate`.",
            more=(
                "They run as the app's account, and one that fails stops the switch.",
                "A string is split into words as a shell would, but no shell runs it.",
                "A list of words is taken as it is.",
            ),
            elements="raw",
            default=[],
            page="releases.md",
        ),
        _WORKERS,
        _TIMERS,
        Field(
            "processes",
            "int",
            "Number of daemon processes.",
            default=2,
            minimum=OPTIONS["processes"].minimum,
            maximum=OPTIONS["processes"].maximum,
        ),
        Field(
            "threads",
            "int",
            "Threads in each process.",
            default=15,
            minimum=OPTIONS["threads"].minimum,
            maximum=OPTIONS["threads"].maximum,
        ),
        Field(
            "daemon_process",
            "dict",
            "Further options of the processes by mod_wsgi's own names, checked for the installed version.",
            default={},
            page="daemon-process-options.md",
            fields=tuple(
                _daemon_option(option) for option in OPTIONS.values() if not (option.set_by or option.refused)
            ),
        ),
        Field(
            "account",
            "str",
            "Service account of the app, which the play creates.",
            more=("Never root, a shared account or that of another app.",),
            otherwise="`<name>-app`",
        ),
        Field(
            "group",
            "str",
            "Primary group of the account.",
            more=("Never root's, a shared group or that of another app.",),
            otherwise="the name of the account",
        ),
        Field(
            "supplementary_groups",
            "list",
            "Further groups of the daemon processes.",
            more=("`/etc/group` is left as it is.",),
            elements="str",
            default=[],
        ),
        _ACLS,
        Field(
            "writable",
            "list",
            "Directories to create in `/var/lib/<account>/data`, the only place where the app can write.",
            elements="str",
            default=[],
        ),
        Field(
            "data_from",
            "dict",
            "Where the data of a site that this app replaces is, such as `{db: /srv/shop/db}`.",
            more=(
                "Each key is an entry of `writable`, or a path below one.",
                "The data is copied until the switch to the new site, and never again.",
            ),
            default={},
            page="adopt.md#the-data",
        ),
        Field(
            "environment",
            "dict",
            "Environment variables of the application, passwords and keys included.",
            more=("They are kept in a file that only root and the app's group can read.",),
            default={},
            secret=True,
            page="secrets.md",
        ),
        Field(
            "static",
            "dict",
            "URL paths that Apache serves from directories of the source, such as `{/static: assets}`.",
            more=(
                "A directory may also be one that `build` makes.",
                "Symbolic links and dot files are not served.",
                "Not allowed beside a `package` without `build`.",
            ),
            default={},
        ),
        _TLS,
        Field(
            "trusted_proxies",
            "list",
            "Addresses or networks of the proxies in front of the app.",
            more=("Requires `trusted_proxy_headers`.",),
            elements="str",
            default=[],
            page="proxies.md",
        ),
        Field(
            "trusted_proxy_headers",
            "list",
            "Headers that these proxies set, such as `X-Forwarded-For`; one for each kind of information.",
            more=("Requires `trusted_proxies`.",),
            elements="str",
            default=[],
            page="proxies.md",
        ),
        _LIMITS,
        Field(
            "handles_authorization",
            "bool",
            "Pass the Authorization header to the application.",
            default=False,
        ),
        Field(
            "chunked_requests",
            "bool",
            "Pass on requests that do not say how long they are (`Transfer-Encoding: chunked`); else they get a 411.",
            more=("The application has to read their body to its end, whatever `CONTENT_LENGTH` says.",),
            default=False,
            page="applications.md",
        ),
        Field(
            "error_override",
            "bool",
            "Send Apache's plain error pages instead of the application's own.",
            more=("This hides the debug pages of a framework, for example.",),
            default=False,
        ),
        _HEALTH_CHECK,
        Field(
            "adopt",
            "bool",
            "Take over an account and directories that were made by hand.",
            default=False,
            page="adopt.md",
        ),
        Field(
            "replaces",
            "list",
            "Site files to disable when the app's own site goes live, such as `shop.conf`.",
            elements="str",
            default=[],
            page="adopt.md",
        ),
        Field(
            "state",
            "str",
            "`absent` removes the app but keeps its data, its account and its logs.",
            default="present",
            choices=("present", "absent"),
        ),
        Field(
            "purge",
            "bool",
            "With `state: absent`, remove the data and the account too.",
            default=False,
        ),
    ),
)
