-- Every planned poll and what became of it.
CREATE TABLE IF NOT EXISTS pipeline_poll (
    universe VARCHAR(64) NOT NULL,
    trade_date DATE NOT NULL,
    poll_time DATETIME NOT NULL,
    outcome VARCHAR(8) NOT NULL,
    reason VARCHAR(255),
    duration_ms INT,
    requests INT,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, poll_time)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
