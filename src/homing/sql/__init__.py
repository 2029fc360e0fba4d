"""Schema: numbered migrations run by yoyo under a lock at start, and which room owns which table (ownership.toml)."""
