"""Webhooks: customers are told what happened, in batches, at least once.

In      the feed (events), api.v1.webhooks
Out     posts to customers' targets
Owns    tables webhooks, webhook_ranges, webhook_batches
Start   fold.py (what a webhook is owed), then pusher.py (batches on their way) and delivery.py (one post)
"""
