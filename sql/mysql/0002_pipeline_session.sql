-- A trading day of a universe: exchange-local hours, the grid, and who filled it (a recording never overwrites a live day).
CREATE TABLE IF NOT EXISTS pipeline_session (
    universe VARCHAR(64) NOT NULL,
    trade_date DATE NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    session_open DATETIME,
    session_close DATETIME,
    interval_s INT,
    source VARCHAR(96) NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
