"""Pure decisions of ingress: what was asked, whether it may be sent, what the queue keeps, the SMTP dialogue."""
