"""pgAdmin, whose modules are imported from its own directory; its settings are in config_local.py beside this file."""

from __future__ import annotations

import builtins
import sys
from importlib.util import find_spec

sys.path.append(find_spec("pgadmin4").submodule_search_locations[0])
builtins.SERVER_MODE = True

from pgAdmin4 import app as application  # noqa: E402, F401
