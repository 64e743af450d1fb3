-- What is told of a user can change without an end to their sessions: then the epoch of an entry is
-- the claims epoch.

ALTER TABLE revocations ADD COLUMN of_claims INTEGER NOT NULL DEFAULT 0;
