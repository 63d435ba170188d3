-- One row a poll and issue that has a price. The large table: the natural key is its only index.
CREATE TABLE IF NOT EXISTS intraday_stock_prices (
    universe VARCHAR(64) NOT NULL,
    trade_date DATE NOT NULL,
    poll_time DATETIME NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    ltp DECIMAL(13,4),
    prev_close DECIMAL(13,4),
    change_amt DECIMAL(13,4),
    change_pct DOUBLE,
    volume BIGINT,
    status VARCHAR(12) NOT NULL,
    day_open DECIMAL(13,4),
    day_high DECIMAL(13,4),
    day_low DECIMAL(13,4),
    data_timestamp DATETIME,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, poll_time, symbol)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
