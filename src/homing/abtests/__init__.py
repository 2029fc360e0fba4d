"""A/B tests: which template a message gets, how the templates do, and which one wins.

In      ingress (which template?), the feed (events), api.v1.ab_tests
Out     a template for a recipient; AbTestCompleted and AbTestCancelled, told by the caller's means
Owns    tables ab_tests, ab_test_counts, ab_test_messages
Start   rules/phase.py, rules/choice.py and rules/bayes.py, then fold.py (counts) and keeper.py (ends)
"""
