# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache and mod_wsgi on a host: paths, syntax, options, processes, pools, configuration, certificates, sandbox.

May import host. May be imported by app, runtime, release, plan, steps, audit, audit.collectors, audit.rules, adopt.
"""

from __future__ import annotations
