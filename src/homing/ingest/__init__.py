"""Ingest: events of other platforms are taken in batches, and come into the log.

In      api.v1.ingest (batches), the inbox (shares to be read)
Out     events, by the inbox of the queue; what became of a batch, as an event
Owns    tables ingest_batches, ingest_shares, ingested_ids
Start   batches.py (a batch is written down), then digest.py and rules/reading.py (its lines become events)
"""
