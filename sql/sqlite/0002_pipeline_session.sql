-- A trading day of a universe: exchange-local hours, the grid, and who filled it (a recording never overwrites a live day).
CREATE TABLE IF NOT EXISTS pipeline_session (
    universe TEXT NOT NULL,
    trade_date TEXT NOT NULL,
    timezone TEXT NOT NULL,
    session_open TEXT,
    session_close TEXT,
    interval_s INTEGER,
    source TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date)
) STRICT, WITHOUT ROWID;
