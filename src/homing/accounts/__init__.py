"""Accounts: who our customers are, which API keys they hold, and what a key may do.

In      cli (account and key commands), api.v1.api_keys, both doors (who is asking?)
Out     Sender, to everything that a door calls
Owns    tables accounts, api_keys
Start   authenticate.Authenticator, then grants.py
"""
