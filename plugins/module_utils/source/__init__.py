# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the code of an app comes from: one file for each kind of source, and what reads the code before it is used.

It imports host and app.
"""

from __future__ import annotations
