-- Every planned poll and what became of it.
CREATE TABLE IF NOT EXISTS pipeline_poll (
    universe TEXT NOT NULL,
    trade_date TEXT NOT NULL,
    poll_time TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    duration_ms INTEGER,
    requests INTEGER,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, poll_time)
) STRICT, WITHOUT ROWID;
