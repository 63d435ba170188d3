-- Rows that could not be stored: where they came from, why, and what they hold (JSON).
CREATE TABLE IF NOT EXISTS pipeline_dead_letter (
    stream VARCHAR(128) NOT NULL,
    journal_id VARCHAR(64) NOT NULL,
    seq BIGINT NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    row_no INT NOT NULL,
    reason VARCHAR(500) NOT NULL,
    payload MEDIUMTEXT NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (stream, journal_id, seq, table_name, row_no)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
