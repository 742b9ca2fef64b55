"""Run as the app's account, before the upgrade: puts a mark into all that the app loads or may come to load."""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path

HOME = Path("/var/lib/shop-app")


def mark(word: str) -> str:
    return f"import builtins; builtins.planted = [*getattr(builtins, 'planted', []), {word!r}]\n"


version = f"python{sys.version_info.major}.{sys.version_info.minor}"
code = HOME / "code" / "shop.py"
original = code.read_text()
code.write_text(original + mark("code"))
release = HOME / "releases" / sys.argv[1]
user_site = Path.home() / ".local" / "lib" / version / "site-packages"
for directory in (user_site, release / "code", release / "venv" / "bin"):
    directory.mkdir(parents=True)
(user_site / "planted.pth").write_text(mark("user"))
(release / "code" / "shop.py").write_text(original + mark("release"))
(release / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
(release / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
(release / "release.json").write_text('{"app": "shop", "served": {}}')
(HOME / "current").symlink_to(f"releases/{sys.argv[1]}")
for packages in glob.glob(f"{HOME}/venv/lib/*/site-packages"):
    Path(packages, "planted.pth").write_text(mark("venv"))
os.chmod(release, 0o777)
