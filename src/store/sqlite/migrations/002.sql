-- Where a session was opened from, and when it was last refreshed: what people know their sessions by.

ALTER TABLE sessions ADD COLUMN ip TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
ALTER TABLE sessions ADD COLUMN last_seen_at INTEGER NOT NULL DEFAULT 0;

UPDATE sessions SET last_seen_at = coalesce(rotated_at, created_at);
