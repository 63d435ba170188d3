-- How far this database has each journal: committed together with the rows (seq 1..n, digest of that record).
CREATE TABLE IF NOT EXISTS pipeline_cursor (
    stream TEXT NOT NULL,
    journal_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (stream, journal_id)
) STRICT, WITHOUT ROWID;
