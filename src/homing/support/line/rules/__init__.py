"""Rules of the Severity 1 Line: signatures, documents, the call script, the call-back. Pure."""
