"""The TAM's programme: onboarding, migration, planning, recommendations, education, trends (clauses B4, B5, B7 and B8).

In      api.v1.support_tam*, cli.tam; figures of metrics through ports.py
Out     mail to contacts and to the TAM (post.py), clocks (support.clocks), an account of every step
Owns    tables tam_records, tam_events, tam_documents, tam_checks, tam_letters, trend_notes, trend_note_accounts
Start   rules/states.py, then rules/fold.py and rules/clockwork.py; desk.py carries steps out
"""
