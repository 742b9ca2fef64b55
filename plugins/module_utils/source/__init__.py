# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the code of an app comes from: a file for each kind of source, and what is read of code before it is used.

May import host, app. May be imported by release, plan, steps.
"""

from __future__ import annotations
