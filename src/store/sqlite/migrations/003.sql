-- What was ended, in the order in which it was: every process reads on from the entry it knows, so
-- that the access tokens that are out are refused everywhere. An entry is of a session, or of a user
-- whose sessions with a smaller epoch are over.

CREATE TABLE revocations (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,         -- never used again, even when swept
    at         INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    session_id BLOB,
    user_id    TEXT,
    epoch      INTEGER,
    CHECK ((session_id IS NULL) <> (user_id IS NULL)),
    CHECK ((user_id IS NULL) = (epoch IS NULL))
) STRICT;

INSERT INTO revocations (at, reason, session_id)
    SELECT revoked_at, revoke_reason, id FROM sessions
    WHERE revoked_at IS NOT NULL AND revoke_reason IS NOT NULL
    ORDER BY revoked_at;

DROP INDEX sessions_by_revoked_at;
