"""Ground: clock, ids, errors, settings, log, database, secrets, processes. Knows no word of mail.

In      every room
Out     the operating system, PostgreSQL
Owns    the data folder, the master key, the embedded PostgreSQL
Start   config.py, then ids.py and db.py
"""
