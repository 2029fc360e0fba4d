"""Web: pages for people. Rendered here, without scripts; looking at one never does anything, only its button does.

In      people who follow a link in a mail
Out     pages; steps of cases (support.cases)
Owns    nothing
Start   pages.py (how a page is made), then letter.py
"""
