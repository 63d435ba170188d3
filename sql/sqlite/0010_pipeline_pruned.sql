-- Days whose stock rows were removed by `db prune`.
CREATE TABLE IF NOT EXISTS pipeline_pruned (
    universe TEXT NOT NULL,
    trade_date TEXT NOT NULL,
    rows_removed INTEGER NOT NULL,
    pruned_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date)
) STRICT, WITHOUT ROWID;
