-- How far this database has each journal: committed together with the rows (seq 1..n, digest of that record).
CREATE TABLE IF NOT EXISTS pipeline_cursor (
    stream VARCHAR(128) NOT NULL,
    journal_id VARCHAR(64) NOT NULL,
    seq BIGINT NOT NULL,
    digest VARBINARY(64) NOT NULL,
    updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (stream, journal_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
