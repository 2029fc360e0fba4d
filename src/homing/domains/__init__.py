"""Domains: what a customer may send from, the keys that sign for it, and whether the world's DNS agrees.

In      ingress (may this From be used?), spool (sign this), cli (homing domain add), api.v1.sending_domains
Out     DomainFacts, SigningKey; queries to DNS when asked to verify
Owns    tables sending_domains, dkim_keys
Start   facts.DomainBook and keyring.KeyRing, then registry.register and verify.py
"""
