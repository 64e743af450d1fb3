-- Whether another password must be chosen at the next sign-in, and the moment from which the one that
-- is kept is not good any more: only a temporary one has such a moment.

ALTER TABLE users ADD COLUMN password_change_due INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN password_expires_at INTEGER CHECK (
    password_expires_at IS NULL OR password_change_due <> 0
);
