"""Metrics: how much of what happened, folded out of the log exactly once, and asked for by time and by what it is about.

In      events from the feed "metrics"; questions from api.v1.metrics
Out     rows of figures
Owns    tables metric_sets, metric_counts, metric_texts, metric_seen, metric_providers
Start   rules/counting.py, then rules/names.py, rules/windows.py and rules/asked.py
"""
