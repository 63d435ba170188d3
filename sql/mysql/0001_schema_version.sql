-- Which files of this directory have been applied, and when (UTC).
CREATE TABLE IF NOT EXISTS schema_version (
    version INT NOT NULL,
    slug VARCHAR(64) NOT NULL,
    applied_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
