-- The universe as it was on a day: names and sectors.
CREATE TABLE IF NOT EXISTS pipeline_member (
    universe VARCHAR(64) NOT NULL,
    trade_date DATE NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    name VARCHAR(128) NOT NULL,
    sector VARCHAR(64) NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, symbol)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
