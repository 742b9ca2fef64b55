# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module is a step."""

from __future__ import annotations

from .wsgi_step import ActionModule

__all__ = ("ActionModule",)
