from __future__ import annotations

from mercurial.hgweb import hgweb

application = hgweb(b"hgweb.config")
