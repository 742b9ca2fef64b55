# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where each family of distributions keeps Apache, and the collection its certificates: the one table of paths."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from ..host.errors import PalisadeError

# Where the collection keeps the certificates that it makes, and mod_md those that it gets.
TLS_DIRECTORY = "/etc/palisade-mod_wsgi/tls"
ACME_STORE = "/var/lib/palisade-mod_wsgi/md"


@dataclass(frozen=True)
class ApacheLayout:
    """Paths, account and unit of the distribution's Apache."""

    family: str
    binary: str
    control: str
    unit: str
    user: str
    root: str
    main_file: str
    envvars: str
    modules: str
    log_directory: str
    runtime_directory: str
    # Files of the last three are read in the order of their names.
    module_files: str
    server_files: str
    site_files: str
    # Debian reads what is linked here; elsewhere a file is live where it lies.
    module_links: str = ""
    server_links: str = ""
    site_links: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


DEBIAN = ApacheLayout(
    family="Debian",
    binary="/usr/sbin/apache2",
    control="/usr/sbin/apache2ctl",
    unit="apache2",
    user="www-data",
    root="/etc/apache2",
    main_file="/etc/apache2/apache2.conf",
    envvars="/etc/apache2/envvars",
    modules="/usr/lib/apache2/modules",
    log_directory="/var/log/apache2",
    runtime_directory="/var/run/apache2",
    module_files="/etc/apache2/mods-available",
    module_links="/etc/apache2/mods-enabled",
    server_files="/etc/apache2/conf-available",
    server_links="/etc/apache2/conf-enabled",
    site_files="/etc/apache2/sites-available",
    site_links="/etc/apache2/sites-enabled",
)

REDHAT = ApacheLayout(
    family="RedHat",
    binary="/usr/sbin/httpd",
    control="/usr/sbin/apachectl",
    unit="httpd",
    user="apache",
    root="/etc/httpd",
    main_file="/etc/httpd/conf/httpd.conf",
    envvars="",
    modules="/usr/lib64/httpd/modules",
    log_directory="/var/log/httpd",
    runtime_directory="/run/httpd",
    module_files="/etc/httpd/conf.modules.d",
    server_files="/etc/httpd/conf.d",
    site_files="/etc/httpd/conf.d",
)


def read_os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """Return the fields of os-release(5)."""
    fields: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                key, found, value = line.strip().partition("=")
                if found:
                    fields[key] = value.strip("\"'")
    except OSError:
        pass
    return fields


def host_layout(os_release: str = "/etc/os-release") -> ApacheLayout:
    """Return the layout of this host's distribution, installed or not; PalisadeError for an unknown one."""
    fields = read_os_release(os_release)
    names = {fields.get("ID", ""), *fields.get("ID_LIKE", "").split()}
    if names & {"debian", "ubuntu"}:
        return DEBIAN
    if names & {"rhel", "fedora", "centos"} or os.path.exists(REDHAT.binary):
        return REDHAT
    raise PalisadeError(
        f"distribution: expected Debian, Ubuntu or one of the RedHat family, got {fields.get('PRETTY_NAME', 'unknown')}"
    )
