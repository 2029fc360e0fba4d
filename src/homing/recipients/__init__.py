"""Recipients: who must not be written to, and why.

In      ingress (who of these is suppressed?), delivery settlement (bounces), cli, api.v1.suppression_list
Out     sets of suppressed recipients; rows of the suppression list
Owns    tables suppressions, bounce_strikes
Start   store.suppressed and store.suppress, then rules/repeats.py
"""
