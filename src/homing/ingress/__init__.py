"""Ingress: mail comes in from customers, by REST or SMTP, and becomes our responsibility.

In      api.v1.transmissions, SMTP clients
Out     chunks for queue.owner.hand_over, shares for the inbox of all shards; a reply only once that is on disk
Owns    no table
Start   accept.py, then rules/admission.py and rules/expand.py; smtp_server.py and smtp_mail.py for the SMTP door
"""
