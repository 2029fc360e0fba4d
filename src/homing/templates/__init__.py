"""The template language, stored templates and snippets.

In      spool (rendering), ingress and api (refusing bad syntax early; templates by id)
Out     nothing
Owns    tables templates, template_versions, snippets
Start   language.parse, then expressions.py (grammar), pieces.py (rendering), operators.py and values.py (what values do);
        store.py and book.py (stored templates); rules/translate.py (languages of other platforms)
"""
