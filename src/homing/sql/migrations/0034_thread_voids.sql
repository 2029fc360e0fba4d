-- Two people of the staff say that no answer was ever owed to a message of a thread: a duplicate, a test, spam.

ALTER TABLE thread_messages ADD COLUMN voids jsonb NOT NULL DEFAULT '[]';   -- of support.threads.types.Void; two make its clock void
