-- Days whose stock rows were removed by `db prune`.
CREATE TABLE IF NOT EXISTS pipeline_pruned (
    universe VARCHAR(64) NOT NULL,
    trade_date DATE NOT NULL,
    rows_removed BIGINT NOT NULL,
    pruned_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
