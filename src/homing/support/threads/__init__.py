"""Threads: the TAM's own number and address, what is said between an account and its TAM, and oversight (clauses B2, B6).

In      mail for a TAM's address (mailroom.py), calls to his number (api.telephony_tam), staff (api.v1.support_threads and
        support_oversight, cli.oversight)
Out     mail to people (post.py), TAM_REPLY (support.clocks), calls handed over to support.line, pages (support.oncall)
Owns    tables thread_ways, threads, thread_messages, thread_files, thread_letters, thread_quarantine, thread_calls,
        thread_call_turns, thread_call_events, thread_recordings
Start   types.py, then rules/own_number.py and rules/oversight.py; desk.py, own_number.py and oversight.py carry out
"""
