"""Domains: what a customer may send from, where his links lead, the keys that sign for him, and whether the world's DNS agrees.

In      ingress (may this From be used?), spool (sign this), delivery (where do its links lead?), engagement (is this host ours?),
        cli (homing domain add), api.v1.sending_domains, dkim_keys and tracking_domains
Out     DomainFacts, SigningKey, bases of tracked addresses; queries to DNS when asked to verify, and once a day;
        a line in the audit where a domain is removed that nobody has proved
Owns    tables sending_domains, dkim_keys, tracking_domains, mailbox_proofs
Start   facts.DomainBook, keyring.KeyRing and tracking.TrackingBook, then registry.register, verify.py and recheck.py
"""
