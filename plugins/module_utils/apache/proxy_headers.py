# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The headers that mod_wsgi can take from a trusted proxy, each with what it tells."""

from __future__ import annotations

PROXY_HEADERS = {
    "X-Forwarded-For": "client address",
    "X-Client-IP": "client address",
    "X-Real-IP": "client address",
    "X-Forwarded-Proto": "scheme",
    "X-Forwarded-Scheme": "scheme",
    "X-Forwarded-HTTPS": "scheme",
    "X-Forwarded-SSL": "scheme",
    "X-Scheme": "scheme",
    "X-HTTPS": "scheme",
    "X-Forwarded-Host": "host",
    "X-Host": "host",
    "X-Forwarded-Port": "port",
    "X-Forwarded-Server": "server",
    "X-Forwarded-Script-Name": "mount",
    "X-Script-Name": "mount",
}
