-- What the defence of sign-ins remembers. An account is the keyed hash of a name that was typed, whether
-- or not it is anybody's.

CREATE TABLE failures (
    account      BLOB    NOT NULL,
    place        BLOB    NOT NULL,                        -- a network or a device; zeros: anywhere
    failures     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER,
    forgotten_at INTEGER NOT NULL,
    PRIMARY KEY (account, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX failures_by_lock ON failures (locked_until) WHERE locked_until IS NOT NULL;

-- Accounts that an administrator has unlocked, for the processes that count in memory.
CREATE TABLE unlocks (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
    hash    BLOB    NOT NULL PRIMARY KEY,
    user_id TEXT    NOT NULL,
    used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_by_user ON devices (user_id, used_at);
