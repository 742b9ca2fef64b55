"""What the app is given, and what it is not."""

from __future__ import annotations

FILM, TODAY, YESTERDAY, INBOX = "/srv/media/film", "/srv/reports/today", "/srv/reports/yesterday", "/srv/reports/inbox"
USES = [("read", FILM), ("read", TODAY), ("write", f"{INBOX}/order")]
MISUSES = [("write", FILM), ("write", TODAY), ("read", YESTERDAY), ("list", "/srv/reports")]
