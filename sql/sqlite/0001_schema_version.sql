-- Which files of this directory have been applied, and when (UTC).
CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER NOT NULL,
    slug TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (version)
) STRICT, WITHOUT ROWID;
