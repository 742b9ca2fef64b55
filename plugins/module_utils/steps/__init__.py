# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the roles: what each takes, does and says. Modules are named after them, and wsgi_step runs any.

May import host, apache, app, source, runtime, release, plan. May be imported by no other package.
"""

from __future__ import annotations
