"""The substitution language: `{{name}}` in subjects, headers and bodies. Later: stored templates and snippets.

In      spool (rendering), ingress and api (refusing bad syntax early)
Out     nothing
Owns    no tables yet
Start   language.parse, then expressions.py; values.py says how a value becomes text
"""
