"""pgAdmin's own setup.py, with the settings of config_local.py."""

from __future__ import annotations

import builtins
import runpy
import sys
from importlib.util import find_spec

place = find_spec("pgadmin4").submodule_search_locations[0]
sys.path.append(place)
builtins.SERVER_MODE = True
runpy.run_path(f"{place}/setup.py", run_name="__main__")
