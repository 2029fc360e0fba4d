"""The template language: what `{{...}}` means in subjects, headers and bodies.

In      spool (rendering), ingress and api (refusing bad syntax early)
Out     nothing
Owns    no tables yet
Start   language.parse, then expressions.py (grammar), pieces.py (rendering), operators.py and values.py (what values do)
"""
