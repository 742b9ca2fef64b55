# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache and mod_wsgi as they are on a host: paths, syntax, options, processes, configuration, certificates, sandbox.

It imports host. Nothing here knows what a user writes of an app.
"""

from __future__ import annotations
