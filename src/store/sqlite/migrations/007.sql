-- A key has an algorithm and times, from which follows whether it waits, is in use, or is only accepted.
-- One that was revoked stays without its secret until nothing it made could be good: the times of the
-- others follow from it. The keys that there are were made when nobody knows: they count from now.

ALTER TABLE keys ADD COLUMN algorithm TEXT NOT NULL DEFAULT 'EdDSA';
ALTER TABLE keys ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN signs_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN revoked_at INTEGER;

UPDATE keys SET algorithm = 'HMAC-SHA256' WHERE purpose IN ('refresh_mac', 'refresh_next');
UPDATE keys SET created_at = CAST(unixepoch('subsec') * 1000 AS INTEGER),
                signs_from = CAST(unixepoch('subsec') * 1000 AS INTEGER);

-- One row. version counts the changes of the table above; master_check tells whether a master key is
-- the one that its secrets are sealed with.
CREATE TABLE key_set (
    only_row     INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    version      INTEGER NOT NULL,
    master_check BLOB
) STRICT;

INSERT INTO key_set (only_row, version) VALUES (1, 0);
