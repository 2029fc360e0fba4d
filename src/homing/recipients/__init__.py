"""Recipients: who must not be written to, and why; lists of them, in and out.

In      ingress (who of these is suppressed?), delivery settlement (bounces), cli, api.v1.suppression_*, recipient_lists
Out     sets of suppressed recipients; rows of the suppression list
Owns    tables suppressions, bounce_strikes, suppression_imports, suppression_import_refusals, recipient_lists, recipient_pieces,
        forgotten_people
Start   store.suppressed and store.suppress, then rules/repeats.py; importer.py and importing.py (files), rules/forms;
        recall.py (messages that the log has forgotten)
"""
