-- Times are milliseconds since the Unix epoch. Flags are 0 or 1.

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,                -- lower case
    display_name  TEXT,
    email         TEXT    UNIQUE COLLATE NOCASE,
    group_names   TEXT    NOT NULL,                       -- sorted, separated by commas
    password_hash TEXT    NOT NULL,                       -- PHC string
    disabled      INTEGER NOT NULL DEFAULT 0,
    session_epoch INTEGER NOT NULL DEFAULT 0,
    claims_epoch  INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL
) STRICT;

-- user_id is no foreign key: the rows of a removed user stay for a while, revoked, so that every
-- process learns that their access tokens are no good any more.
CREATE TABLE sessions (
    id                  BLOB    NOT NULL PRIMARY KEY,
    user_id             TEXT    NOT NULL,
    user_epoch          INTEGER NOT NULL,
    delivery            TEXT    NOT NULL,
    remember            INTEGER NOT NULL,
    device              TEXT,
    created_at          INTEGER NOT NULL,
    authenticated_at    INTEGER NOT NULL,
    generation          INTEGER NOT NULL,
    current_hash        BLOB    NOT NULL,
    previous_hash       BLOB,
    next_key            INTEGER NOT NULL,
    rotated_at          INTEGER,
    confirmed_at        INTEGER,
    straggler_at        INTEGER,
    idle_expires_at     INTEGER NOT NULL,
    absolute_expires_at INTEGER NOT NULL,
    revoked_at          INTEGER,
    revoke_reason       TEXT
) STRICT, WITHOUT ROWID;

-- A rotation changes none of what these hold, so that it writes one page. idle_expires_at has no
-- index for that reason: sweeping reads the table, once in ten minutes.
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE keys (
    purpose TEXT NOT NULL,
    kid     TEXT NOT NULL,
    sealed  BLOB NOT NULL,                                -- nonce, ciphertext, tag
    PRIMARY KEY (purpose, kid)
) STRICT, WITHOUT ROWID;
