"""Accounts: who our customers are, which API keys they hold, what a key may do, and how much they may send and have sent.

In      cli (account, subaccount and key commands), api.v1 (api_keys, subaccounts, account), both doors (who is asking?)
Out     Sender and Standing, to everything that a door calls; what was sent, counted by the queue with what it takes
Owns    tables accounts, subaccounts, api_keys, usage_hours, usage_days, validation_days
Start   authenticate.Authenticator, then grants.py, allowance.py; validations.py (addresses that were validated)
"""
