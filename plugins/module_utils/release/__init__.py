# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Releases of an app: fetched, built, tried, made current, with the data of a site that it replaces.

It imports host, apache, app, source and runtime.
"""

from __future__ import annotations
