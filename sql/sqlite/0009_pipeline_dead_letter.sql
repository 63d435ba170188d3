-- Rows that could not be stored: where they came from, why, and what they hold (JSON).
CREATE TABLE IF NOT EXISTS pipeline_dead_letter (
    stream TEXT NOT NULL,
    journal_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    table_name TEXT NOT NULL,
    row_no INTEGER NOT NULL,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (stream, journal_id, seq, table_name, row_no)
) STRICT, WITHOUT ROWID;
