"""Privacy: what people ask about their personal data is written down, carried out, and can be shown to have been.

In      api.v1.data_privacy (requests), cli.privacy
Out     suppressions of both types; events without what tells of a person
Owns    tables privacy_requests, privacy_recipients
Start   clerk.py, then events.rules.erasure
"""
