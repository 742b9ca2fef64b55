# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases of an app: fetched, built, tried, made current, with the data of a site that it replaces.

May import host, apache, app, source, runtime. May be imported by plan, steps.
"""

from __future__ import annotations
