from __future__ import annotations

import os

DATA_DIR = os.environ["DATA"]
SQLITE_PATH = f"{DATA_DIR}/pgadmin4.db"
SESSION_DB_PATH = f"{DATA_DIR}/sessions"
STORAGE_DIR = f"{DATA_DIR}/storage"
AZURE_CREDENTIAL_CACHE_DIR = f"{DATA_DIR}/azure"
KERBEROS_CCACHE_DIR = f"{DATA_DIR}/kerberos"
LOG_FILE = f"{DATA_DIR}/pgadmin4.log"
UPGRADE_CHECK_ENABLED = False
