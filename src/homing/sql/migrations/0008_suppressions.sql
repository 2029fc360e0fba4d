-- Workers ask each second what has come onto the suppression list (recipients/fresh.py).
CREATE INDEX suppressions_fresh ON suppressions (updated_at);
