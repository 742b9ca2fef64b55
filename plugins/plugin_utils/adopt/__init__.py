# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What wsgi_adopt writes on the controller.

Its action plugin imports it; it imports module_utils.
"""

from __future__ import annotations
