# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paragraphs of the hardening page that rules come from."""

from __future__ import annotations

DAEMON = "Choose daemon mode"
USERS = "Run as a dedicated unprivileged user"
ISOLATION = "Isolate application components from each other"
PS = "Make daemon processes identifiable"
RESTART = "Restarting a single application"
FILES = "Filesystem hardening"
ENTRY = "Separate the WSGI script file from the project code"
CODE = "Application code ownership and permissions"
WRITABLE = "Writable directories (uploads, caches, session files, application logs)"
SOCKETS = "The WSGI daemon socket directory"
NETWORK = "Network exposure"
AUTHENTICATION = "Authentication"
LIMITS = "Resource limits and DoS resistance"
DISCLOSURE = "Information disclosure"
BUILT_IN = "What the code already handles"
