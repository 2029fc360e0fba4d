"""SMTP as a server speaks it: the conversation, its replies, and the shell that moves octets. Doors are made of it.

In      octets of SMTP clients
Out     a Mail for whoever stands behind the door; the Reply that he gives goes back
Owns    no table; the words of every reply that is not about one door's business
Start   rules/dialogue.py, then server.py and replies.py
"""
